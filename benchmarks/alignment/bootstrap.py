"""Intervals over tastes and seeds: tastes are drawn with replacement, and then seeds of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.alignment.figures import Floats

REPEATS = 2000


class Interval(NamedTuple):
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def interval(
    tastes: Sequence[int],
    values: Floats,
    statistic: Callable[[Floats], float] = lambda drawn: float(drawn.mean()),
    repeats: int = REPEATS,
) -> Interval:
    """Of a statistic of the rows of `values`: (cells, ...), whose tastes are (cells,).

    A statistic may be NaN (e.g. never reached); its interval is over the repeats where it is not.
    """
    generator = np.random.default_rng(0)
    order = np.argsort(np.array(tastes), kind="stable")
    _, first, count = np.unique(np.array(tastes)[order], return_index=True, return_counts=True)
    drawn = np.empty(repeats)
    for repeat in range(repeats):
        chosen = generator.integers(len(first), size=len(first))
        starts, counts = np.repeat(first[chosen], count[chosen]), np.repeat(count[chosen], count[chosen])
        rows = starts + (generator.random(len(starts)) * counts).astype(np.int64)
        drawn[repeat] = statistic(values[order[rows]])
    kept = drawn[~np.isnan(drawn)]
    low, high = np.quantile(kept, [0.025, 0.975]) if len(kept) else (np.nan, np.nan)
    return Interval(statistic(values), float(low), float(high))
