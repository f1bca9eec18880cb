"""Which cells a report is made of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.alignment.archive import ARCHIVE
from benchmarks.alignment.cache import Cache
from benchmarks.alignment.cell import as_before
from benchmarks.alignment.grid import NUM_SEEDS, NUM_TASTES, cells_of
from benchmarks.alignment.methods import ALGORITHM_1, METHODS, OURS
from benchmarks.alignment.tasks import FIRST_HELD_OUT, TASKS, task_of


def test_what_targets_are_judged_by_has_thirty_held_out_tastes_and_ten_seeds() -> None:
    cells = cells_of("thinned", "held-out", ["films"], None)

    of_method = {method: [c for c in cells if c.method == method] for method in METHODS}
    for method in (OURS, ALGORITHM_1, "LinUCB", "exhaustive scoring", "qLogEI"):
        first = [c for c in of_method[method] if (c.rarity, c.flip) == (task_of("films").rarities[0], 0.0)]
        assert len({c.taste for c in first}) == NUM_TASTES
        assert len({c.seed for c in first}) == NUM_SEEDS
    assert not of_method["fine-tuning"], "there is no image to tune on"


def test_development_and_report_share_no_taste() -> None:
    tastes = {
        split: {cell.taste for cell in cells_of("full", split, ["four-optima"], [OURS])}
        for split in ("development", "held-out")
    }

    assert max(tastes["development"]) < FIRST_HELD_OUT <= min(tastes["held-out"])


def test_every_rarity_and_flip_is_there_and_no_cell_twice() -> None:
    cells = cells_of("thinned", "held-out", ["four-optima"], None)

    assert {cell.rarity for cell in cells} == set(task_of("four-optima").rarities)
    assert {cell.flip for cell in cells} == {0.0, 0.1, 0.2}
    assert max(Counter(cells).values()) == 1


def test_the_whole_grid_crosses_tastes_with_seeds() -> None:
    task = task_of("four-optima")
    cells = cells_of("full", "held-out", ["four-optima"], [OURS])

    assert len(cells) == NUM_TASTES * NUM_SEEDS * len(task.rarities) * 3


def test_cells_are_run_pair_by_pair_and_our_own_first() -> None:
    cells = cells_of("thinned", "held-out", ["four-optima"], None)

    assert cells[0].method == OURS
    assert [cell.taste for cell in cells] == sorted(cell.taste for cell in cells)
    assert {cell.task for cell in cells_of("thinned", "held-out", None, None)} == set(TASKS)


def test_the_long_task_has_all_pairs_of_what_is_judged_there() -> None:
    cells = cells_of("thinned", "held-out", ["fashion-binary"], [OURS, ALGORITHM_1])

    first = [cell for cell in cells if (cell.rarity, cell.flip) == (0.4, 0.0)]
    assert len(first) == 2 * NUM_TASTES
    assert len(cells) > len(first), "another rarity, and flipped answers"


@pytest.mark.parametrize("task", list(TASKS))
def test_results_of_today_s_defaults_are_in_the_archive(task: str, tmp_path: Path) -> None:
    cells = cells_of("thinned", "held-out", [task], [OURS, ALGORITHM_1])

    cache = Cache(tmp_path, ARCHIVE)

    assert [cell for cell in cells if cache.get(cell) is None] == []


def test_a_setting_younger_than_the_archive_counts_once_it_says_something_new() -> None:
    old = {"sampling": {"beta": 9.0}, "rarities": [0.1]}

    assert as_before({"sampling": {"beta": 9.0, "route": "steer"}, "rarities": (0.1,)}) == old
    assert as_before({"sampling": {"beta": 9.0, "route": None}, "rarities": [0.1]}) == old
    assert as_before({"sampling": {"beta": 9.0, "route": "rank"}, "rarities": [0.1]}) != old
