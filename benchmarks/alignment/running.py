"""Runs the cells that are not there yet, several processes at once, and says how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.alignment.cache import Cache
from benchmarks.alignment.cell import Cell, run_cell
from benchmarks.alignment.costs import seconds_of


def run_missing(cells: Sequence[Cell], cache: Cache, jobs: int, hours: float) -> list[str]:
    """Runs what the cache has not, until `hours` are over; what failed, in words.

    A cell that fails is tried again the next time.
    """
    missing = [cell for cell in cells if cache.get(cell) is None]
    left = sum(seconds_of(cell, cache) for cell in missing)
    _say(f"{len(cells)} cells, {len(missing)} to run, about {left / jobs / 3600:.1f} hours on {jobs} cores")
    began, failures, queue = time.monotonic(), list[str](), list(missing)
    with ProcessPoolExecutor(
        jobs, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        running: dict[Future[None], Cell] = {}
        while queue or running:
            late = time.monotonic() - began > 3600.0 * hours
            while queue and len(running) < jobs and not late:
                cell = queue.pop(0)
                running[pool.submit(_run, cell, cache.folder)] = cell
            if not running:
                break
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                cell = running.pop(done)
                error = done.exception()
                if error is not None:
                    failures.append(f"{_named(cell)}: {type(error).__name__}: {error}")
                _say(f"{len(missing) - len(queue) - len(running)} of {len(missing)}  {_named(cell)}")
    if queue:
        _say(f"{len(queue)} cells are left for another time: {hours:g} hours are over")
    return failures


def count_operations(cells: Sequence[Cell], cache: Cache) -> None:
    """Counts, once for each task and method, on the first of its cells."""
    first = {(cell.task, cell.method): cell for cell in reversed(cells) if cache.get(cell) is not None}
    for cell in first.values():
        if cache.operations(cell) is None:
            _say(f"operations of {cell.task}, {cell.method}")
            cache.put_operations(cell, run_cell(cell, count_operations=True))


def _run(cell: Cell, folder: Path) -> None:
    result: dict[str, Any] = run_cell(cell)
    Cache(folder).put(cell, result)


def _named(cell: Cell) -> str:
    return (
        f"{cell.task}, rarity {cell.rarity:g}, flip {cell.flip:g}, taste {cell.taste}, seed {cell.seed}, "
        f"{cell.method}"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
