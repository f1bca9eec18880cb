"""How long a cell takes: measured once of each task and method, then of the cells that are there."""

from __future__ import annotations

from functools import cache as remembered

from benchmarks.alignment.cache import Cache
from benchmarks.alignment.cell import Cell

SECONDS: dict[str, float] = {
    "four-optima": 3.0,
    "mixture-64": 3.0,
    "fashion": 20.0,
    "fashion-binary": 60.0,
    "films": 5.0,
}
"""Of one core, where nothing better is known."""
_OF_METHODS: dict[tuple[str, str], float] = {}


def seconds_of(cell: Cell, cache: Cache) -> float:
    """Of one core, judging included."""
    known = _measured(cache).get((cell.task, cell.method))
    return known or _OF_METHODS.get((cell.task, cell.method), SECONDS[cell.task])


@remembered
def _measured(cache: Cache) -> dict[tuple[str, str], float]:
    return cache.mean_seconds()
