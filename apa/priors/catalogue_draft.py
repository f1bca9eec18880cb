"""A catalogue's next revision while it is written, a few items at a time; what is served does not change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apa.errors import InvalidArgument
from apa.priors.distinct import Flags
from apa.priors.live_items import Entry

GROWTH = 1.25
"""Room for vectors, when there is too little, over what is needed."""


@dataclass(frozen=True, eq=False)
class Change:
    """M items that are new or different, and ids of some that are deleted; one in both is deleted.

    Attributes:
        entries: M items with different ids.
        vectors: (M, D) float32, finite.
        in_stock: (M,); None for all of them.
    """

    item_ids: Sequence[str] = ()
    entries: Sequence[Entry] = ()
    vectors: NDArray[np.float32] | None = None
    in_stock: Flags | None = None
    deleted: Collection[str] = ()


class Draft:
    """Takes changes, each in time for what changes; for what does not, there is one copy at the beginning.

    Args:
        entries, positions: copies, which the draft may change.
        vectors: (N, D). out_of_stock: (N,). Left as they are.
    """

    def __init__(
        self,
        entries: list[Entry],
        vectors: NDArray[np.float32],
        out_of_stock: Flags,
        positions: dict[str, int],
        deleted: Mapping[str, int],
    ) -> None:
        self.entries = entries
        self.positions = positions
        self.deleted = dict(deleted)
        self._vectors = vectors.copy()
        self._out_of_stock = out_of_stock.copy()

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(N, D)."""
        return self._vectors[: len(self)]

    @property
    def out_of_stock(self) -> Flags:
        """(N,)."""
        return self._out_of_stock[: len(self)]

    def take(self, change: Change) -> None:
        """Raises InvalidArgument when the vectors do not fit, or the ids of the change are not different."""
        if change.vectors is not None:
            self._check(change.vectors, change.item_ids)
            places = self._places(change.item_ids)
            added = len(self.positions) + len(self.deleted) - len(self)
            self.entries += [("", b"")] * added
            self._make_room(len(self))
            for place, entry in zip(places.tolist(), change.entries, strict=True):
                self.entries[place] = entry
            self._vectors[places] = change.vectors
            self._out_of_stock[places] = False if change.in_stock is None else ~change.in_stock
        for item_id in change.deleted:
            if item_id in self.positions:
                self.deleted[item_id] = self.positions.pop(item_id)

    def _places(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        """(M,), where these items come to be; notes it."""
        places = np.empty(len(item_ids), dtype=np.int64)
        last = len(self)
        for row, item_id in enumerate(item_ids):
            place = self.positions.get(item_id, -1)
            if place < 0:
                place = self.deleted.pop(item_id, last)
                last += place == last
                self.positions[item_id] = place
            places[row] = place
        return places

    def _make_room(self, count: int) -> None:
        if count <= len(self._vectors):
            return
        vectors = np.zeros((int(GROWTH * count), self._vectors.shape[1]), np.float32)
        out_of_stock = np.zeros(len(vectors), np.bool_)
        vectors[: len(self._vectors)] = self._vectors
        out_of_stock[: len(self._vectors)] = self._out_of_stock
        self._vectors, self._out_of_stock = vectors, out_of_stock

    def _check(self, vectors: NDArray[np.float32], item_ids: Sequence[str]) -> None:
        num_dims = self._vectors.shape[1]
        if vectors.shape != (len(item_ids), num_dims):
            raise refused(
                "the vectors do not fit the catalogue", f"({len(item_ids)}, {num_dims})", vectors.shape
            )
        if len(set(item_ids)) != len(item_ids):
            raise refused("an item id occurs twice", f"{len(item_ids)} different ids", len(set(item_ids)))


def refused(message: str, expected: str, found: object) -> InvalidArgument:
    """Of a catalogue."""
    return InvalidArgument(message, field="catalogue", expected=expected, found=str(found))
