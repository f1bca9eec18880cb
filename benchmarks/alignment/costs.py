"""How long a cell takes: measured once of each task and method, then of the cells that are there."""

from __future__ import annotations

from functools import cache as remembered

from benchmarks.alignment.cache import Cache
from benchmarks.alignment.cell import Cell

SECONDS: dict[str, float] = {
    "four-optima": 1.0,
    "mixture-64": 1.5,
    "fashion": 22.0,
    "fashion-binary": 66.0,
    "films": 4.0,
}
"""Of one core, of our default."""
TIMES: dict[str, float] = {
    "algorithm 1, all answers": 1.5,
    "algorithm 1, round's answers": 1.3,
    "algorithm 1 without -f": 1.5,
    "prior only": 0.3,
    "pool, equal answers": 1.5,
    "qLogEI": 1.5,
    "fine-tuning": 3.3,
    "ours, 30 steps": 2.0,
    "ours, N = 16": 0.6,
    "ours, N = 128": 4.0,
    "ours, route chosen": 0.6,
    "ours, ranked": 0.3,
}
"""As long as that, where it is far from it."""


def seconds_of(cell: Cell, cache: Cache) -> float:
    """Of one core, judging included."""
    known = _measured(cache).get((cell.task, cell.method))
    return known or SECONDS[cell.task] * TIMES.get(cell.method, 1.0)


@remembered
def _measured(cache: Cache) -> dict[tuple[str, str], float]:
    return cache.mean_seconds()
