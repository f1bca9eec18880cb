"""How what several raters say of one item becomes one value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from apa.records.session import AggregationName

TOGETHER: dict[AggregationName, Callable[[Sequence[float]], float]] = {
    "mean": fmean,
    "max": max,
    "least_misery": min,
}
