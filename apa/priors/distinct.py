"""Different items for particles: who takes which of the items near it, and which are around them all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apa.priors.vector_index import Floats, Indices, VectorIndex

_FIRST_DEPTH = 8
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Decoded:
    """Distinct items chosen for ordered particles.

    Attributes:
        rows: (k,), which particle each item stands for, ascending: the particles' own order.
        items: (k,), indices into the catalogue, all different.
        squared_distances: (k,), from each particle to its item.
    """

    rows: Indices
    items: Indices
    squared_distances: Floats


def decode_distinct(index: VectorIndex, x: NDArray[np.floating], k: int, taken: Flags) -> Decoded:
    """k items, each of one particle, in two passes over the particles in order of preference.

    First, every particle whose nearest item is still free takes it. Only if those do not suffice do the
    others settle, in order, for the nearest item that is left.

    Args:
        x: (M, D), in order of preference; M of at least k.
        taken: (N,), items not to choose; at least k others. Changed: what was chosen is taken too.
    """
    chosen = _take_nearest(index, x, k, taken)
    rest = [row for row in range(len(x)) if row not in chosen][: k - len(chosen)]
    chosen |= _settle(index, x, rest, taken)
    rows = sorted(chosen)
    return Decoded(
        rows=np.array(rows, dtype=np.int64),
        items=np.array([chosen[row][0] for row in rows], dtype=np.int64),
        squared_distances=np.array([chosen[row][1] for row in rows]),
    )


def neighbourhood(index: VectorIndex, x: NDArray[np.floating], count: int, taken: Flags) -> Decoded:
    """The items around the particles: the nearest of every one, then the second nearest, and so on.

    Every particle reaches for as many, so that a crowd in one place does not leave the others out.

    Args:
        x: (M, D), M of at least 1.
        count: of items; all that are not taken where there are fewer.
        taken: (N,), items not to choose.

    Returns:
        `rows` is the particle that came to an item first, not ascending; items in the order in which they
        were come to, nearer ones first.
    """
    count = min(count, int((~taken).sum()))
    # No shallower search finds as many.
    depth = min(len(taken), max(_FIRST_DEPTH, -(-count // len(x))))
    while True:
        near, squared = index.search(x, depth)
        free = ~taken[near]
        rank = free.cumsum(axis=1)
        # So far every particle has come, whatever was taken on its way.
        reached = free & (rank <= rank[:, -1].min())
        if depth == len(taken) or len(np.unique(near[reached])) >= count:
            break
        depth = min(len(taken), 2 * depth)
    rows, _ = np.nonzero(reached)
    items, distances = near[reached], squared[reached]
    order = np.lexsort((distances, rank[reached]))
    _, first = np.unique(items[order], return_index=True)
    kept = order[np.sort(first)[:count]]
    return Decoded(rows=rows[kept], items=items[kept], squared_distances=distances[kept])


def _take_nearest(
    index: VectorIndex, x: NDArray[np.floating], k: int, taken: Flags
) -> dict[int, tuple[int, float]]:
    """Item and squared distance, by row, of the particles that get their nearest item; k of them at most."""
    chosen: dict[int, tuple[int, float]] = {}
    nearest = _settle(index, x, list(range(len(x))), taken, exclusive=False)
    for row, (item, squared) in nearest.items():
        if len(chosen) < k and not taken[item]:
            chosen[row] = (item, squared)
            taken[item] = True
    return chosen


def _settle(
    index: VectorIndex, x: NDArray[np.floating], rows: list[int], taken: Flags, *, exclusive: bool = True
) -> dict[int, tuple[int, float]]:
    """Item and squared distance, by row: the nearest that is not taken, the rows choosing in order.

    The search starts shallow and deepens for the rows that find everything taken, so that any index serves,
    also one that cannot filter.

    Args:
        exclusive: what a row chooses is taken for the rows after it.
    """
    chosen: dict[int, tuple[int, float]] = {}
    depth = min(len(taken), _FIRST_DEPTH)
    while rows:
        near, squared = index.search(x[rows], depth)
        for place, row in enumerate(rows):
            free = ~taken[near[place]]
            first = int(free.argmax())
            if not free[first]:
                break
            item = int(near[place, first])
            chosen[row] = (item, float(squared[place, first]))
            taken[item] |= exclusive
        rows = [row for row in rows if row not in chosen]
        assert not rows or depth < len(taken), "with every item in reach, a free one is found"
        depth = min(len(taken), 2 * depth)
    return chosen
