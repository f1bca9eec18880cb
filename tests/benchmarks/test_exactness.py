"""The benchmark's own arithmetic, and that its command runs."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.exactness import main as exactness
from benchmarks.exactness.cases import Case, cases
from benchmarks.exactness.measure import Cell, measure
from benchmarks.exactness.methods import METHODS, OURS
from benchmarks.exactness.report import line, summary
from benchmarks.exactness.targets import verdict
from benchmarks.report import Scale

MILD = Case(2, "quadratic", "mild")
CELL = Cell(
    case=MILD.name,
    method=OURS,
    num_particles=1000,
    evaluations=100,
    num_seeds=50,
    variation_ratio=(1.1, 1.0, 1.2),
    log_z_bias=(0.01, 0.002),
    min_ess_ratio=0.9,
)


def test_a_cell_measures_what_the_closed_form_says() -> None:
    cell = measure(MILD, OURS, METHODS[OURS], num_particles=300, evaluations=30, num_seeds=24)

    ratio, low, high = cell.variation_ratio
    assert 0.5 < low < ratio < high < 2.0
    assert cell.log_z_bias is not None
    assert abs(cell.log_z_bias[0]) < 0.1


def test_a_cell_sees_a_wrong_sampler() -> None:
    cell = measure(MILD, "guidance", METHODS["guidance"], 300, 30, num_seeds=6)

    assert cell.variation_ratio[1] > 1.5
    assert cell.log_z_bias is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "met"),
        ({"variation_ratio": (1.3, 1.2, 1.4)}, "ratio over 1.2"),
        ({"variation_ratio": (1.3, 1.2, 1.4), "evaluations": 50}, "met"),
        ({"log_z_bias": (-0.06, 0.01)}, "bias over 0.05"),
        ({"log_z_bias": (-0.06, 0.01), "evaluations": 50}, "met"),
        ({"log_z_bias": (-0.06, 0.01), "case": "2-d linear strong"}, "met"),
        ({"log_z_bias": (-0.06, 0.01), "case": "64-d linear mild"}, "met"),
        ({"case": "256-d linear mild"}, "reported"),
        ({"evaluations": 25}, "reported"),
    ],
)
def test_a_verdict_is_that_of_the_table(changes: dict[str, object], said: str) -> None:
    assert verdict(replace(CELL, **changes)) == said  # type: ignore[arg-type]


def test_only_our_own_cells_are_counted() -> None:
    cells = [CELL, replace(CELL, method="guidance", log_z_bias=None), replace(CELL, evaluations=25)]

    assert summary(cells) == "1 of 1 cells with a target met it"
    assert line(cells[0]).endswith("met")
    assert not line(cells[1]).endswith("met")


def test_every_target_has_four_masses_that_sum_to_one_and_a_finite_log_z() -> None:
    for case in cases((2, 64)):
        assert float(case.target.masses.sum()) == pytest.approx(1.0)
        assert len(case.target.masses) == 4
        assert math.isfinite(case.target.log_z)


def test_a_run_prints_the_table_and_writes_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exactness, "QUICK_SEEDS", 2)
    monkeypatch.setattr(exactness, "cases", lambda _: [MILD])

    exactness.run(Scale(quick=True, only="closed"), tmp_path / "report.json")

    report = json.loads((tmp_path / "report.json").read_text())
    assert report["command"].startswith("python -m benchmarks")
    assert [cell["method"] for cell in report["cells"]] == [OURS, "fkc euler"]
    assert capsys.readouterr().out.count(MILD.name) == 2
