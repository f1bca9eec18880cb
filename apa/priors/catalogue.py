"""A catalogue: items with something to show and a vector each, and the way from particles to items."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from apa.errors import FailedPrecondition, NotFound
from apa.priors.catalogue_draft import Change, Draft, refused
from apa.priors.catalogue_item import Item
from apa.priors.distinct import Decoded, Flags
from apa.priors.live_items import LiveItems, entries_of
from apa.priors.shelf import Shelf
from apa.priors.vector_index import BruteForceIndex, Indices, VectorIndex

__all__ = ["Catalogue", "Change", "IndexFactory", "Item"]

IndexFactory = Callable[[NDArray[np.float32]], VectorIndex]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items in a fixed order with one vector each; immutable: a change makes a new catalogue.

    A change keeps the position of every item: a deleted one keeps its place, but is not found any more.

    Attributes:
        items: N items with different ids.
        vectors: (N, D) float32, finite.
        make_index: builds the index over the vectors of what can be shown, on first use.
        out_of_stock: (N,), true for items that are known but never shown; None for none.
        deleted: position of each deleted item by its id.
        known_positions: `positions`, where they are known; for `changed` only.
    """

    items: Sequence[Item]
    vectors: NDArray[np.float32]
    make_index: IndexFactory = BruteForceIndex
    out_of_stock: Flags | None = None
    deleted: Mapping[str, int] = field(default_factory=dict)
    known_positions: dict[str, int] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.items) != len(self.vectors):
            raise refused(
                "items and vectors do not belong together", f"({len(self.items)}, D)", self.vectors.shape
            )
        if self.known_positions is not None:
            return
        if not np.isfinite(self.vectors).all():
            raise refused("a vector is not finite", "finite numbers", "NaN or infinity")
        if len(self.positions) != len(self.items):
            raise refused("an item id occurs twice", f"{len(self.items)} different ids", len(self.positions))

    def __len__(self) -> int:
        """N, with those that are deleted."""
        return len(self.items)

    @property
    def num_items(self) -> int:
        """Of which it knows, in stock or not."""
        return len(self.positions)

    @property
    def num_dims(self) -> int:
        """D."""
        return int(self.vectors.shape[1])

    @cached_property
    def positions(self) -> dict[str, int]:
        """The index of each item by its id."""
        if self.known_positions is not None:
            return self.known_positions
        return {item.item_id: position for position, item in enumerate(self.items)}

    @cached_property
    def shelf(self) -> Shelf:
        """What is in stock."""
        return self.shelf_of(np.flatnonzero(self.shown))

    @property
    def index(self) -> VectorIndex:
        """Over what is in stock. Raises FailedPrecondition when nothing is."""
        if self.shelf.index is None:
            raise FailedPrecondition("nothing of the catalogue is in stock", field="catalogue")
        return self.shelf.index

    def shelf_of(self, positions: Indices) -> Shelf:
        """Of items at these positions: (A,), ascending."""
        every = len(positions) == len(self)
        vectors = self.vectors if every else self.vectors[positions]
        return Shelf(positions, len(self), self.make_index(vectors) if len(positions) else None)

    def among(self, item_ids: Collection[str]) -> Shelf:
        """Those of these items that are in stock; unknown ones are none."""
        known = {self.positions[item_id] for item_id in item_ids if item_id in self.positions}
        positions = np.array(sorted(known), dtype=np.int64)
        return self.shelf_of(positions[self.shown[positions]])

    def position(self, item_id: str) -> int:
        """The index of an item. Raises NotFound."""
        if item_id not in self.positions:
            raise NotFound("the catalogue has no such item", field="item_id", found=item_id)
        return self.positions[item_id]

    def positions_of(self, item_ids: Collection[str]) -> set[int]:
        """Of those that it knows."""
        return {self.positions[item_id] for item_id in item_ids if item_id in self.positions}

    def item(self, item_id: str) -> Item | None:
        """The item, also when it is deleted; None for one that was never known, or not since the start."""
        position = self.positions.get(item_id, self.deleted.get(item_id))
        return None if position is None else self.items[position]

    def item_id(self, position: int) -> str:
        """Of the item there, also when it is deleted."""
        items = self.items
        return items.item_id(position) if isinstance(items, LiveItems) else items[position].item_id

    def decode(self, x: NDArray[np.floating]) -> Indices:
        """(M,), the item nearest to each particle; the same item may come more than once.

        Args:
            x: (M, D).
        """
        return self.shelf.decode(x)

    def decode_distinct(
        self, x_ordered: NDArray[np.floating], k: int, excluded: Collection[int] = ()
    ) -> Decoded:
        """k different items for particles in order of preference; see `apa.priors.distinct` for who yields.

        Args:
            x_ordered: (M, D), the preferred particle first; M of at least k.
            k: how many items.
            excluded: items never to return, e.g. already shown.

        Raises:
            InvalidArgument: fewer particles than k, or k below 1.
            FailedPrecondition: fewer than k items in stock are left after the exclusions.
        """
        return self.shelf.decode_distinct(x_ordered, k, excluded)

    def neighbourhood(self, x: NDArray[np.floating], count: int, excluded: Collection[int] = ()) -> Decoded:
        """`count` different items around the particles; see `apa.priors.distinct`.

        Args:
            x: (M, D), M of at least 1.
            count: how many items; all that are left where there are fewer.
            excluded: as in `decode_distinct`.
        """
        return self.shelf.neighbourhood(x, count, excluded)

    def upserted(
        self, items: Sequence[Item], vectors: NDArray[np.float32], in_stock: Flags | None = None
    ) -> Catalogue:
        """With these items: known ids are replaced in place, new ones appended.

        Args:
            items: M items with different ids.
            vectors: (M, D).
            in_stock: (M,); None for all of them.
        """
        Catalogue(items, vectors)
        return self.changed(Change([item.item_id for item in items], items, vectors, in_stock))

    def without(self, item_ids: Collection[str]) -> Catalogue:
        """Without these items; unknown ids are ignored, so that a repeated deletion is harmless."""
        return self.changed(Change(deleted=item_ids))

    def changed(self, change: Change) -> Catalogue:
        """With a change; takes time for what changes, and copies of arrays for what does not.

        Raises:
            InvalidArgument: the vectors do not fit the catalogue, or the ids of the change are not different.
        """
        draft = self.draft()
        draft.take(change)
        return self.drafted(draft)

    def draft(self) -> Draft:
        """Its next revision, to be written."""
        entries = entries_of(self.items)
        return Draft(entries, self.vectors, self._out_of_stock, self.positions.copy(), self.deleted)

    def drafted(self, draft: Draft) -> Catalogue:
        """What a draft of it has become; the draft is not to be changed any more."""
        items = LiveItems(draft.entries)
        return Catalogue(
            items, draft.vectors, self.make_index, draft.out_of_stock, draft.deleted, draft.positions
        )

    @property
    def _out_of_stock(self) -> Flags:
        return np.zeros(len(self), np.bool_) if self.out_of_stock is None else self.out_of_stock

    @cached_property
    def shown(self) -> Flags:
        """(N,), true for what is in stock. Not to be changed."""
        shown = ~self._out_of_stock
        shown[list(self.deleted.values())] = False
        return shown
