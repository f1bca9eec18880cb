"""Which cells there are: the thinned grid that a report fits in, and the whole.

Thinned: every method on every task's first rarity with truthful answers, by thirty pairs of a taste and a
seed, each taste once and each of ten seeds three times; the rest by fewer methods and pairs, as the constants
say. The whole grid crosses tastes, seeds, rarities, flips and methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from benchmarks.alignment.cell import Cell
from benchmarks.alignment.methods import ABLATIONS, ALGORITHM_1, METHODS, OURS, ROUTED, methods_for
from benchmarks.alignment.tasks import FIRST_HELD_OUT, TASKS, task_of

Split = Literal["development", "held-out"]
Size = Literal["quick", "thinned", "full"]

NUM_TASTES, NUM_SEEDS = 30, 10
FLIPS = (0.0, 0.1, 0.2)
FEWER_PAIRS = 10
"""Of other rarities and flips, of ablations, and of the methods in FEWER."""
FEWER = ("algorithm 1 without -f", "fine-tuning")
LONG = "fashion-binary"
"""Its sessions take three times as long: there only JUDGED has all pairs, the other rarities and flips are
one of each by PAIRS_OF_LONG, and ablations are left to `fashion`."""
JUDGED = (OURS, ALGORITHM_1, "prior only", "guidance only")
PAIRS_OF_LONG = 4
SLOW_ABLATIONS = ("ours, 30 steps", "ours, N = 128")
"""Of the whole grid only."""
CORE = (OURS, ALGORITHM_1)
"""What the other rarities and flips are about, in the thinned grid."""


def cells_of(size: Size, split: Split, tasks: list[str] | None, methods: list[str] | None) -> list[Cell]:
    """In the order in which they are run: pair by pair, so that what is there at any time is balanced."""
    found = [
        cell
        for name in tasks or list(TASKS)
        for cell in _of_task(name, size, split)
        if (methods is None or cell.method in methods) and cell.method in methods_for(task_of(name))
    ]
    first_taste = 0 if split == "development" else FIRST_HELD_OUT
    return sorted(found, key=lambda cell: (cell.taste - first_taste, cell.seed, _importance(cell)))


def pairs(split: Split, num: int, crossed: bool = False) -> list[tuple[int, int]]:
    """(taste, seed): the first so many, or every taste with every seed."""
    first = 0 if split == "development" else FIRST_HELD_OUT
    if crossed:
        return [(first + taste, seed) for taste in range(NUM_TASTES) for seed in range(NUM_SEEDS)]
    return [(first + place, place % NUM_SEEDS) for place in range(num)]


def _of_task(name: str, size: Size, split: Split) -> Iterator[Cell]:
    first, *rarer = task_of(name).rarities
    if size == "quick":
        if name != LONG:
            yield from _crossed(name, [first], [0.0], pairs(split, 1), [OURS] if name == "fashion" else CORE)
        return
    if size == "full":
        every = [*METHODS, *ABLATIONS, *ROUTED]
        yield from _crossed(name, [first, *rarer], FLIPS, pairs(split, 0, crossed=True), every)
        return
    if name == LONG:
        others = [method for method in METHODS if method not in (*JUDGED, *FEWER)]
        yield from _crossed(name, [first], [0.0], pairs(split, NUM_TASTES), JUDGED)
        yield from _crossed(name, [first], [0.0], pairs(split, FEWER_PAIRS), others)
        yield from _crossed(name, [first], [0.0], pairs(split, PAIRS_OF_LONG), FEWER)
        yield from _crossed(name, rarer[1:2], [0.0], pairs(split, PAIRS_OF_LONG), CORE)
        yield from _crossed(name, [first], FLIPS[1:2], pairs(split, PAIRS_OF_LONG), CORE)
        return
    whole = [method for method in METHODS if method not in FEWER]
    ablations = [method for method in ABLATIONS if method not in SLOW_ABLATIONS]
    yield from _crossed(name, [first], [0.0], pairs(split, NUM_TASTES), whole)
    yield from _crossed(name, [first], [0.0], pairs(split, FEWER_PAIRS), [*FEWER, *ablations])
    yield from _crossed(name, rarer, [0.0], pairs(split, FEWER_PAIRS), CORE)
    yield from _crossed(name, [first, *rarer], [0.0], pairs(split, FEWER_PAIRS), [*ROUTED])
    yield from _crossed(name, [first], FLIPS[1:], pairs(split, FEWER_PAIRS), CORE)


def _crossed(
    task: str,
    rarities: list[float] | tuple[float, ...],
    flips: list[float] | tuple[float, ...],
    of: list[tuple[int, int]],
    methods: list[str] | tuple[str, ...],
) -> Iterator[Cell]:
    for taste, seed in of:
        for rarity in rarities:
            for flip in flips:
                for method in methods:
                    yield Cell(task, rarity, flip, taste, seed, method)


def _importance(cell: Cell) -> tuple[int, str, float, float, str]:
    order = [*METHODS, *ABLATIONS, *ROUTED]
    return order.index(cell.method), cell.task, cell.rarity, cell.flip, cell.method
