"""From cells to the rows of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.alignment.bootstrap import Interval, interval
from benchmarks.alignment.cell import Cell
from benchmarks.alignment.figures import Figures, Floats
from benchmarks.alignment.methods import OURS

Results = Mapping[Cell, Figures]
Place = tuple[str, float, float]
"""Task, rarity, flip."""


@dataclass(frozen=True)
class Row:
    """One method at one place.

    Attributes:
        pairs: of a taste and a seed.
        ahead: our default's area less this one's, over the pairs that both have; None for our default.
        answers: median over pairs of the answers to 80% of the attainable; None where most never get there.
        enough: share of pairs that get there.
        valid_area: the mean of areas where items that the prior does not hold for its own are worth nothing.
        operations: in units of 1e9; None where not counted.
    """

    method: str
    pairs: int
    area: Interval
    ahead: Interval | None
    last: Interval
    answers: float | None
    enough: float
    modes_covered: float
    rarest_share: float | None
    valid: float
    valid_area: float
    seconds: float
    operations: float | None


def at(results: Results, place: Place, method: str) -> dict[tuple[int, int], Figures]:
    """The cells of a method at a place, by pair."""
    return {
        cell.pair: figures
        for cell, figures in results.items()
        if (cell.task, cell.rarity, cell.flip) == place and cell.method == method
    }


def row(results: Results, place: Place, method: str, operations: float | None = None) -> Row | None:
    """None where there is no cell."""
    own = at(results, place, method)
    if not own:
        return None
    cells, tastes = list(own.values()), [taste for taste, _ in own]
    answers = [figures.answers_to_enough for figures in cells]
    reached = [value for value in answers if value is not None]
    rarest = [figures.rarest_share for figures in cells if figures.rarest_share is not None]
    return Row(
        method=method,
        pairs=len(cells),
        area=interval(tastes, np.array([figures.area for figures in cells])),
        ahead=None if method == OURS else ahead(results, place, OURS, method),
        last=interval(tastes, np.array([figures.last for figures in cells])),
        answers=_median([np.inf if value is None else value for value in answers]),
        enough=len(reached) / len(cells),
        modes_covered=float(np.mean([figures.modes_covered for figures in cells])),
        rarest_share=float(np.mean(rarest)) if rarest else None,
        valid=float(np.mean([figures.valid for figures in cells])),
        valid_area=float(np.mean([figures.valid_area for figures in cells])),
        seconds=float(np.mean([figures.seconds for figures in cells])),
        operations=None if operations is None else operations / 1e9,
    )


def ahead(results: Results, place: Place, first: str, second: str) -> Interval | None:
    """Area of the first less that of the second, pair by pair; None where they share none."""
    one, other = at(results, place, first), at(results, place, second)
    both = [pair for pair in one if pair in other]
    if not both:
        return None
    gaps = np.array([one[pair].area - other[pair].area for pair in both])
    return interval([taste for taste, _ in both], gaps)


def ratio(results: Results, place: Place, first: str, second: str) -> Interval | None:
    """Mean area of the first over the second's, of the pairs that both have; None where there are none."""
    one, other = at(results, place, first), at(results, place, second)
    both = [pair for pair in one if pair in other]
    if not both:
        return None
    areas = np.array([[one[pair].area, other[pair].area] for pair in both])
    return interval([taste for taste, _ in both], areas, lambda drawn: float(np.divide(*drawn.mean(axis=0))))


def mean_curve(results: Results, place: Place, method: str) -> tuple[Floats, list[Interval]] | None:
    """Answers given, and the mean reward of what was shown for them, with its interval."""
    cells = at(results, place, method)
    if not cells:
        return None
    curves = np.stack([figures.curve for figures in cells.values()])
    tastes = [taste for taste, _ in cells]
    spent = next(iter(cells.values())).spent
    return spent, [interval(tastes, curves[:, i], repeats=400) for i in range(len(spent))]


def _median(values: Sequence[float]) -> float | None:
    median = float(np.median(values))
    return median if np.isfinite(median) else None
