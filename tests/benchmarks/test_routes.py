"""The map of routes: its places are as rare as they say, and its verdicts are right."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.report import Scale
from benchmarks.routes import main as routes
from benchmarks.routes.cases import Place, places
from benchmarks.routes.measure import Cell, measure

PLACE = Place(2, 0.1, 256)
CELL = Cell(
    place=PLACE,
    num_seeds=10,
    gains={"rank": 0.95, "pool_start": 0.98, "steer": 1.2},
    seconds={"rank": 0.001, "pool_start": 0.05, "steer": 0.1},
    chosen={"pool_start": 10},
    ancestral_gain=0.6,
    covered=0.9,
    bounded=0.5,
    width=1.0,
)


@pytest.mark.parametrize("place", places((2, 64), (1e-1, 1e-5), (256,)))
def test_a_place_is_as_rare_as_it_says(place: Place) -> None:
    before, after = place.gain

    assert math.exp(-place.kl_at(place.beta)) == pytest.approx(place.rarity, rel=1e-6)
    assert after > before


def test_the_cheapest_adequate_route_is_the_cheapest_within_three_percent_of_the_best() -> None:
    assert CELL.cheapest_adequate == "pool_start"
    assert CELL.times_the_cheapest == pytest.approx(1.0)
    assert CELL.share_of_best == pytest.approx(0.98)

    dear = replace(CELL, chosen={"steer": 5, "pool_start": 5})
    assert dear.times_the_cheapest == pytest.approx(1.5)
    assert dear.share_of_best == pytest.approx(0.99)

    poor = replace(CELL, chosen={"rank": 10})
    assert poor.share_of_best == pytest.approx(0.95)
    assert poor.times_the_cheapest == pytest.approx(0.02)


def test_a_place_is_measured_by_every_route() -> None:
    cell = measure(PLACE, num_seeds=3)

    assert set(cell.gains) == set(cell.seconds) == {"rank", "pool_start", "steer"}
    assert sum(cell.chosen.values()) == 3
    assert all(0.3 < gain < 1.5 for gain in cell.gains.values())
    assert all(seconds > 0.0 for seconds in cell.seconds.values())


def test_the_targets_are_those_of_the_worst_place() -> None:
    rows = {row.what: row for row in routes.targets([CELL, replace(CELL, chosen={"steer": 10})])}

    worst = rows["the same, worst place"]
    assert worst.value == pytest.approx(2.0)
    assert worst.reached is False
    assert rows["gain of the route chosen over the best in hindsight, worst place"].reached is True


def test_the_command_writes_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(routes, "places", lambda *_: [PLACE])
    monkeypatch.setattr(routes, "budgets", lambda *_: [])
    monkeypatch.setattr(routes, "films_places", lambda _: [])
    monkeypatch.setattr(routes, "fashion_places", lambda _: [])
    search = "benchmarks.routes.samplers.value_search:value_search"

    routes.run(Scale(quick=True, samplers=(search,)), tmp_path / "routes.json")

    written = json.loads((tmp_path / "routes.json").read_text())
    (cell,) = written["cells"]
    assert (cell["dimensions"], cell["num_stored"]) == (2, 256)
    assert len(written["rows"]) == 5
    assert set(cell["gains"]) == {"rank", "pool_start", "steer", "guidance", "value_search"}
    printed = capsys.readouterr().out
    assert "mixture   2     -  1e-01    256  32" in printed
    assert "value_search gain, ms" in printed
