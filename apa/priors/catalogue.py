"""A catalogue: items with something to show and a vector each, and the way from particles to items."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from apa.errors import FailedPrecondition, InvalidArgument, NotFound
from apa.priors.distinct import Decoded, Flags, decode_distinct, neighbourhood
from apa.priors.vector_index import BruteForceIndex, Indices, VectorIndex

IndexFactory = Callable[[NDArray[np.float32]], VectorIndex]


@dataclass(frozen=True)
class Item:
    """One item as a caller sees it. `columns` holds what there is to display, e.g. year and genres."""

    item_id: str
    title: str
    columns: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items in a fixed order with one vector each; immutable: a change makes a new catalogue.

    Attributes:
        items: N items with different ids.
        vectors: (N, D) float32, finite.
        make_index: builds the index over the vectors, on first use.
    """

    items: Sequence[Item]
    vectors: NDArray[np.float32]
    make_index: IndexFactory = BruteForceIndex

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.items) != len(self.vectors):
            self._refuse(
                "items and vectors do not belong together", f"({len(self.items)}, D)", self.vectors.shape
            )
        if not np.isfinite(self.vectors).all():
            self._refuse("a vector is not finite", "finite numbers", "NaN or infinity")
        if len(self.positions) != len(self.items):
            self._refuse("an item id occurs twice", f"{len(self.items)} different ids", len(self.positions))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def num_dims(self) -> int:
        """D."""
        return int(self.vectors.shape[1])

    @cached_property
    def index(self) -> VectorIndex:
        return self.make_index(self.vectors)

    @cached_property
    def positions(self) -> dict[str, int]:
        """The index of each item by its id."""
        return {item.item_id: position for position, item in enumerate(self.items)}

    def position(self, item_id: str) -> int:
        """The index of an item. Raises NotFound."""
        if item_id not in self.positions:
            raise NotFound("the catalogue has no such item", field="item_id", found=item_id)
        return self.positions[item_id]

    def decode(self, x: NDArray[np.floating]) -> Indices:
        """(M,), the item nearest to each particle; the same item may come more than once.

        Args:
            x: (M, D).
        """
        return self.index.search(x, 1)[0][:, 0]

    def decode_distinct(
        self, x_ordered: NDArray[np.floating], k: int, excluded: Collection[int] = ()
    ) -> Decoded:
        """k different items for particles in order of preference; see `apa.priors.distinct` for who yields.

        Args:
            x_ordered: (M, D), the preferred particle first; M of at least k.
            k: how many items.
            excluded: items never to return: already shown, or out of stock.

        Raises:
            InvalidArgument: fewer particles than k, or k below 1.
            FailedPrecondition: fewer than k items are left after the exclusions.
        """
        taken = self._flags(excluded)
        if not 1 <= k <= len(x_ordered):
            raise InvalidArgument(
                "each item needs a particle", field="k", expected=f"1 to {len(x_ordered)}", found=str(k)
            )
        left = int((~taken).sum())
        if left < k:
            raise FailedPrecondition(
                "the catalogue has too few items left", field="k", expected=f"at most {left}", found=str(k)
            )
        return decode_distinct(self.index, x_ordered, k, taken)

    def neighbourhood(self, x: NDArray[np.floating], count: int, excluded: Collection[int] = ()) -> Decoded:
        """`count` different items around the particles; see `apa.priors.distinct`.

        Args:
            x: (M, D), M of at least 1.
            count: how many items; all that are left where there are fewer.
            excluded: as in `decode_distinct`.
        """
        return neighbourhood(self.index, x, count, self._flags(excluded))

    def _flags(self, positions: Collection[int]) -> Flags:
        """(N,), true at these positions; of others nothing is said."""
        flags = np.zeros(len(self), dtype=np.bool_)
        flags[list(frozenset(positions) & frozenset(range(len(self))))] = True
        return flags

    def upserted(self, items: Sequence[Item], vectors: NDArray[np.float32]) -> Catalogue:
        """With these items: known ids are replaced in place, new ones appended.

        Args:
            items: M items with different ids.
            vectors: (M, D).
        """
        change = Catalogue(items, vectors)
        if change.num_dims != self.num_dims:
            self._refuse(
                "the vectors do not fit the catalogue", f"({len(items)}, {self.num_dims})", vectors.shape
            )
        merged = list(self.items)
        merged_vectors = [*self.vectors]
        for item, vector in zip(items, change.vectors, strict=True):
            position = self.positions.get(item.item_id)
            if position is None:
                merged.append(item)
                merged_vectors.append(vector)
            else:
                merged[position], merged_vectors[position] = item, vector
        return Catalogue(merged, np.stack(merged_vectors).astype(np.float32), self.make_index)

    def without(self, item_ids: Collection[str]) -> Catalogue:
        """Without these items; unknown ids are ignored, so that a repeated deletion is harmless."""
        gone = frozenset(item_ids)
        kept = [position for position, item in enumerate(self.items) if item.item_id not in gone]
        return Catalogue([self.items[position] for position in kept], self.vectors[kept], self.make_index)

    @staticmethod
    def _refuse(message: str, expected: str, found: object) -> None:
        raise InvalidArgument(message, field="catalogue", expected=expected, found=str(found))
