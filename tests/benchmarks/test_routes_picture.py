"""The picture of the map: every cell of a report is in it, with what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.routes.picture import draw, groups

CELL: dict[str, Any] = {
    "prior": "mixture",
    "dimensions": 16,
    "catalogue_size": None,
    "rarity": 1e-2,
    "num_stored": 4096,
    "num_particles": 32,
    "gains": {"rank": 0.81, "pool_start": 0.97, "steer": 0.98},
    "seconds": {"rank": 0.0017, "pool_start": 0.03, "steer": 4.21},
    "chosen": {"pool_start": 20},
    "exact": True,
    "cheapest_adequate": "pool_start",
}
BUDGET = CELL | {"num_particles": 8}
FILMS = CELL | {"prior": "films", "catalogue_size": 17472, "rarity": 1e-1}
FASHION = CELL | {"prior": "fashion", "num_stored": 2048, "exact": False, "cheapest_adequate": "steer"}


def test_budgets_and_priors_are_groups_of_their_own() -> None:
    found = groups([CELL, CELL | {"rarity": 1e-1}, BUDGET, FILMS, FASHION])

    assert [len(rows) for _, rows in found] == [1, 1, 1, 1]
    assert [(name, len(cells)) for _, rows in found for name, cells in rows] == [
        ("16 dimensions, 4,096 stored", 2),
        ("16 dimensions, N = 8", 1),
        ("17,472 items", 1),
        ("2,048 stored", 1),
    ]


def test_a_cell_says_what_the_route_brings_and_what_ranking_would(tmp_path: Path) -> None:
    draw([CELL, FILMS, FASHION], tmp_path / "map.svg")

    written = (tmp_path / "map.svg").read_text()
    assert "0.97  in 30 ms" in written
    assert "ranked 0.81  in 1.7 ms" in written
    assert "0.98  in 4.2 s" in written
    assert "#e58f80" in written  # steer fills a cell
    assert "#b97708" in written  # and pool_start, which was chosen there, frames it
    assert ">100<" in written
