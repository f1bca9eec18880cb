"""The command: cells are run once, kept, and reported from what is there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.alignment import main as alignment
from benchmarks.alignment.archive import read_archive, write_archive
from benchmarks.alignment.cache import Cache
from benchmarks.alignment.cell import Cell, run_cell
from benchmarks.alignment.grid import cells_of
from benchmarks.alignment.methods import METHODS, OURS, methods_for
from benchmarks.alignment.tasks import task_of

CELL = Cell("four-optima", 0.1, 0.0, 0, 0, OURS)


def test_a_cell_spends_its_budget_and_is_the_same_again() -> None:
    once, again = run_cell(CELL), run_cell(CELL)

    assert once["rounds"][-1]["spent"] == 80
    assert [each["rewards"] for each in once["rounds"]] == [each["rewards"] for each in again["rounds"]]


def test_first_slates_are_the_same_where_the_prior_draws_them_alike() -> None:
    first = {
        method: run_cell(replace(CELL, method=method))["rounds"][0]["rewards"]
        for method in (OURS, "guidance only", "prior only", "ours, epsilon_greedy")
    }

    assert first[OURS] == first["guidance only"]
    assert first["prior only"] == first["ours, epsilon_greedy"]
    assert first[OURS] != first["prior only"]


def test_flipped_answers_change_what_is_shown_after_the_first_slate() -> None:
    truthful, flipped = run_cell(CELL), run_cell(replace(CELL, flip=0.2))

    assert truthful["rounds"][0]["rewards"] == flipped["rounds"][0]["rewards"]
    assert truthful["rounds"][-1]["rewards"] != flipped["rounds"][-1]["rewards"]


@pytest.mark.parametrize("method", [name for name in METHODS if name != OURS])
def test_every_other_method_spends_the_same_budget(method: str) -> None:
    task = "films" if method in ("LinUCB", "exhaustive scoring") else "four-optima"
    if method not in methods_for(task_of(task)):
        pytest.skip("only for images, which take half a minute")

    result = run_cell(replace(CELL, task=task, rarity=task_of(task).rarities[0], method=method))

    assert result["rounds"][-1]["spent"] == 80
    assert all(0.0 <= reward <= 1.0 for each in result["rounds"] for reward in each["rewards"])


def test_no_film_is_shown_twice_and_films_that_are_liked_come_to_be_shown() -> None:
    for method in ("LinUCB", "exhaustive scoring"):
        result = run_cell(Cell("films", 1e-2, 0.0, 2, 2, method))
        rewards = [reward for each in result["rounds"] for reward in each["rewards"]]

        assert len(rewards) == 80
        # 80 random films of such a taste are worth 0.02 on average.
        assert sum(rewards) / 80 > 0.1


def test_the_key_tells_cells_methods_and_their_configs_apart() -> None:
    keys = {
        replace(CELL, **changes).key()
        for changes in ({}, {"flip": 0.1}, {"seed": 1}, {"method": "guidance only"}, {"task": "mixture-64"})
    }

    assert len(keys) == 5


def elsewhere(folder: Path) -> list[str]:
    """A cache and an archive that hold nothing yet."""
    return ["--cache", str(folder / "cells"), "--archive", str(folder / "cells.xz")]


def test_what_is_there_is_not_run_again_and_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--only", "four-optima", "--quick", "--methods", OURS, *elsewhere(tmp_path)]
    written = tmp_path / "report.json"

    assert alignment.main([*command, "--jobs", "1"]) == 0
    first = capsys.readouterr()
    assert alignment.main([*command, "--jobs", "1", "--json", str(written)]) == 0
    second = capsys.readouterr()

    assert "1 cells, 1 to run" in first.err
    assert "1 cells, 0 to run" in second.err
    assert "### four-optima, rarity 0.1" in second.out
    assert "not enough cells" in second.out
    report = json.loads(written.read_text())
    assert [each["method"] for each in report["rows"]["four-optima"]] == [OURS]


def test_a_plan_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert alignment.main(["--plan", "--only", "four-optima", *elsewhere(tmp_path)]) == 0

    assert "cells to run" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_cell_of_another_version_of_itself_is_not_found(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    (cell,) = cells_of("quick", "held-out", ["four-optima"], [OURS])
    cache.put(cell, {"rounds": []})

    assert cache.get(cell) == {"rounds": []}
    assert cache.get(replace(cell, seed=cell.seed + 1)) is None


def test_what_was_kept_is_found_without_the_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--only", "four-optima", "--quick", "--methods", OURS, "--jobs", "1"]
    archive = ["--archive", str(tmp_path / "cells.xz")]
    alignment.main([*command, *archive, "--cache", str(tmp_path / "first"), "--keep"])
    first = capsys.readouterr()

    alignment.main([*command, *archive, "--cache", str(tmp_path / "second")])
    second = capsys.readouterr()

    assert "cells.xz: 1 results" in first.out
    assert "1 cells, 0 to run" in second.err
    table = "### four-optima, rarity 0.1"
    assert table in second.out


def test_an_archive_keeps_other_cells_and_drops_what_is_out_of_date(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cells", tmp_path / "cells.xz")
    cell, other = CELL, replace(CELL, seed=1)
    for each in (cell, other):
        cache.put(each, {"rounds": [], "seed": each.seed})
    assert cache.keep([cell, other]) == 2
    kept = dict(read_archive(tmp_path / "cells.xz"))
    of_before = {f"{name.rpartition('-')[0]}-0123456789abcdef.json": each for name, each in kept.items()}
    write_archive(tmp_path / "cells.xz", of_before)

    assert cache.keep([cell]) == 2
    again = Cache(tmp_path / "empty", tmp_path / "cells.xz")
    assert again.get(cell) == {"rounds": [], "seed": 0}
    assert again.get(other) is None


def test_operations_are_counted_and_a_fresh_pool_takes_fewer_than_twice_those_of_steering() -> None:
    counted = {
        method: run_cell(Cell("films", 1e-2, 0.0, 2, 2, method), count_operations=True)["operations"]
        for method in (OURS, "pool, equal seconds", "prior only")
    }

    assert 0 < counted["prior only"] < counted["pool, equal seconds"] < 2 * counted[OURS]
    assert counted[OURS] < 2 * counted["pool, equal seconds"]
