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
    rows_of = [np.flatnonzero(np.array(tastes) == taste) for taste in dict.fromkeys(tastes)]
    drawn = []
    for _ in range(repeats):
        chosen = generator.integers(len(rows_of), size=len(rows_of))
        rows = [generator.choice(rows_of[taste], len(rows_of[taste])) for taste in chosen]
        drawn.append(statistic(values[np.concatenate(rows)]))
    kept = np.array(drawn)[~np.isnan(drawn)]
    low, high = np.quantile(kept, [0.025, 0.975]) if len(kept) else (np.nan, np.nan)
    return Interval(statistic(values), float(low), float(high))
