"""Some of a catalogue's items: those that particles can become."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apa.errors import FailedPrecondition, InvalidArgument
from apa.priors.distinct import Decoded, Flags, decode_distinct, neighbourhood
from apa.priors.vector_index import Indices, VectorIndex


@dataclass(frozen=True, eq=False)
class Shelf:
    """A items of a catalogue of N, and the way from particles to them. Positions are the catalogue's.

    Attributes:
        positions: (A,), of its items, ascending.
        num_positions: N.
        index: over the items' vectors, in this order; None without items.
    """

    positions: Indices
    num_positions: int
    index: VectorIndex | None

    def __len__(self) -> int:
        return len(self.positions)

    def decode(self, x: NDArray[np.floating]) -> Indices:
        """(M,), the item nearest to each particle; the same item may come more than once.

        Args:
            x: (M, D).

        Raises:
            FailedPrecondition: the shelf is empty.
        """
        if self.index is None:
            raise _too_few(0, 1)
        return self.positions[self.index.search(x, 1)[0][:, 0]]

    def decode_distinct(
        self, x_ordered: NDArray[np.floating], k: int, excluded: Collection[int] = ()
    ) -> Decoded:
        """See `Catalogue.decode_distinct`."""
        if not 1 <= k <= len(x_ordered):
            raise InvalidArgument(
                "each item needs a particle", field="k", expected=f"1 to {len(x_ordered)}", found=str(k)
            )
        taken = self.taken(excluded)
        left = int((~taken).sum())
        if self.index is None or left < k:
            raise _too_few(left, k)
        return self._placed(decode_distinct(self.index, x_ordered, k, taken))

    def neighbourhood(self, x: NDArray[np.floating], count: int, excluded: Collection[int] = ()) -> Decoded:
        """See `Catalogue.neighbourhood`."""
        if self.index is None:
            return Decoded(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        return self._placed(neighbourhood(self.index, x, count, self.taken(excluded)))

    def taken(self, excluded: Collection[int]) -> Flags:
        """(A,), true for its items at these positions of the catalogue; of others nothing is said."""
        flags = np.zeros(self.num_positions, dtype=np.bool_)
        places = np.fromiter(excluded, dtype=np.int64, count=len(excluded))
        flags[places[(places >= 0) & (places < self.num_positions)]] = True
        return flags[self.positions]

    def _placed(self, decoded: Decoded) -> Decoded:
        return replace(decoded, items=self.positions[decoded.items])


def _too_few(left: int, k: int) -> FailedPrecondition:
    return FailedPrecondition(
        "the catalogue has too few items left", field="k", expected=f"at most {left}", found=str(k)
    )
