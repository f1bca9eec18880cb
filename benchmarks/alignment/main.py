"""python -m benchmarks alignment: methods that learn a taste from few answers, on five tasks.

Cells are kept in a cache, so that it can be stopped and gone on with, and with --keep in an archive that is
committed; --report makes the tables and plots of what is there. Tastes of development and of the report are
different ones.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.alignment import plots, report
from benchmarks.alignment.aggregate import Results
from benchmarks.alignment.archive import ARCHIVE
from benchmarks.alignment.cache import DEFAULT_CACHE, Cache
from benchmarks.alignment.cell import Cell
from benchmarks.alignment.costs import seconds_of
from benchmarks.alignment.figures import figures_of
from benchmarks.alignment.grid import LONG, Size, cells_of
from benchmarks.alignment.methods import ABLATIONS, METHODS, ROUTED
from benchmarks.alignment.running import count_operations, run_missing
from benchmarks.alignment.targets import verdicts
from benchmarks.alignment.tasks import TASKS
from benchmarks.report import Scale, begin, end, write

PLOTS = Path("docs")


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    size: Size = "full" if options.full else "quick" if options.quick else "thinned"
    cells = cells_of(size, options.split, options.only, options.methods)
    cache = Cache(options.cache, options.archive)
    if options.plan:
        print(plan(cells, cache, options.jobs))
        return 0
    circumstances = begin(Scale(quick=options.quick))
    failures = [] if options.report else run_missing(cells, cache, options.jobs, options.hours)
    if not options.report and size != "quick":
        # A round of the long task is one of `fashion`, whose operations are counted.
        count_operations([cell for cell in cells if cell.task != LONG or options.full], cache)
    if options.keep:
        print(f"{options.archive}: {cache.keep(cells)} results")
    results = found(cells, cache)
    print(report.tables(results, cache))
    if size != "quick":
        for path in plots.draw(results, options.plots):
            print(f"plot: {path}")
    end(circumstances)
    _write(options.json, circumstances, results, cache)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def found(cells: Sequence[Cell], cache: Cache) -> Results:
    """The figures of the cells that are there."""
    kept = ((cell, cache.get(cell)) for cell in cells)
    return {cell: figures_of(result) for cell, result in kept if result is not None}


def plan(cells: Sequence[Cell], cache: Cache, jobs: int) -> str:
    """How many cells of each task and method there are, how many are missing, and how long those take."""
    missing = [cell for cell in cells if cache.get(cell) is None]
    of, left = (Counter((cell.task, cell.method) for cell in some) for some in (cells, missing))
    each = {(cell.task, cell.method): seconds_of(cell, cache) for cell in cells}
    body = [
        (
            task,
            method,
            str(of[task, method]),
            str(left[task, method]),
            f"{each[task, method]:.1f}",
            f"{left[task, method] * each[task, method] / 60:.0f}",
        )
        for task, method in of
    ]
    hours = sum(each[cell.task, cell.method] for cell in missing) / jobs / 3600
    head = ("task", "method", "cells", "to run", "seconds each", "minutes")
    total = f"{len(missing)} cells to run, {hours:.1f} hours on {jobs} cores"
    return f"{report.markdown(head, sorted(body))}\n\n{total}"


def _write(path: Path | None, circumstances: dict[str, object], results: Results, cache: Cache) -> None:
    rows = {task: [asdict(one) for one in report.rows_of(results, cache, task)] for task in TASKS}
    write(path, circumstances | {"rows": rows, "verdicts": [asdict(one) for one in verdicts(results)]})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks alignment", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(TASKS), metavar="TASK", help=", ".join(TASKS))
    known = [*METHODS, *ABLATIONS, *ROUTED]
    parser.add_argument("--methods", nargs="+", choices=known, metavar="METHOD", help=", ".join(known))
    parser.add_argument("--split", choices=("development", "held-out"), default="held-out")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--quick", action="store_true", help="one pair, two methods, no long task: under a minute"
    )
    sizes.add_argument(
        "--full", action="store_true", help="every taste with every seed, rarity, flip and method"
    )
    parser.add_argument("--plan", action="store_true", help="only say what is to run, and how long it takes")
    parser.add_argument("--report", action="store_true", help="only the tables and plots of what is there")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--hours", type=float, default=4.0, help="start no cell after so long")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="where the cells are kept")
    parser.add_argument(
        "--archive", type=Path, default=ARCHIVE, help="results that the cache need not have, in one file"
    )
    parser.add_argument("--keep", action="store_true", help="also write the cells that are there into it")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--plots", type=Path, default=PLOTS, help="folder of the plots")
    return parser
