"""Items of a catalogue as they are written: a caller's entries one by one, a request's as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_ITEMS = 1000
"""Of one request to change a catalogue."""
MAX_TITLE = 1024
"""Characters."""
MAX_ATTRIBUTES = 64
MAX_DISPLAY_BYTES = 16 * 1024
"""Title and attributes of one item, as JSON."""


@dataclass(frozen=True)
class CatalogueEntry:
    """An item to add to a catalogue, or to replace there.

    Attributes:
        vector: (D,), where it lies in the space of the prior.
        attributes: display columns by name, e.g. year and genres.
        in_stock: false keeps it known and scored, but never shown.
    """

    item_id: str
    title: str
    vector: ArrayLike
    attributes: Mapping[str, str] = field(default_factory=dict)
    in_stock: bool = True


@dataclass(frozen=True)
class Entries:
    """M items with different ids, as a store writes them.

    Attributes:
        displays: of each, title and attributes as JSON.
        vectors: (M, D) float32, finite.
        in_stock: (M,).
    """

    item_ids: Sequence[str]
    displays: Sequence[bytes]
    vectors: NDArray[np.float32]
    in_stock: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.item_ids)


@dataclass(frozen=True)
class CatalogueChange:
    """What a request has changed.

    Attributes:
        revision: of the catalogue, after it; grows with every change.
        changed: items that were not so before. A call that repeated itself after a lost connection counts
            what the first attempt had left.
    """

    revision: int
    changed: int

    def __add__(self, later: CatalogueChange) -> CatalogueChange:
        return CatalogueChange(max(self.revision, later.revision), self.changed + later.changed)
