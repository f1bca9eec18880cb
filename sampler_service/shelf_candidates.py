"""Every item of a catalogue that a call lets be shown, for a slate that is chosen among all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import overload

import numpy as np
import torch
from torch import Tensor

from apa.priors.catalogue import Catalogue
from apa.priors.vector_index import Indices
from apa.surrogates.base import Prediction
from sampler_service.masks import Masks
from sampler_service.population import Population
from sampler_service.showable import Pool


@dataclass(frozen=True, eq=False)
class ShelfCandidates:
    """M items: all of a catalogue, also what is out of stock, so that no vector is copied; where a call names
    the only ones that may be shown, those.

    Attributes:
        features: (N, F), of all items of the catalogue by position, at the data end; None where the surrogate
            reads their vectors.
    """

    catalogue: Catalogue
    masks: Masks
    features: Tensor | None = None

    @property
    def all(self) -> Pool:
        """Every one of them; which particle each stands for is not known yet."""
        vectors, features = torch.from_numpy(self.catalogue.vectors), self.features
        if self._only is not None:
            places = torch.from_numpy(self._only)
            vectors, features = vectors[places], None if features is None else features[places]
        item_ids = ItemIds(self.catalogue, self._only)
        return Pool(torch.zeros(len(item_ids), dtype=torch.long), vectors, item_ids, None, features)

    def left_out(self, shown_before: Collection[str]) -> Tensor:
        """(M,), true at what is out of stock, deleted, excluded by the call, or was seen."""
        shown = self.catalogue.shown.copy()
        shown[list(self.masks.blocked(self.catalogue, shown_before))] = False
        return torch.from_numpy(~(shown if self._only is None else shown[self._only]))

    def whole(self, ranked: Population) -> Population:
        """The draws themselves: an item has the weight of the particle that it stands for."""
        return ranked

    def settled(self, pool: Pool, prediction: Prediction, ranked: Population) -> tuple[Pool, Prediction]:
        """Each item stands for the particle nearest to it."""
        if len(pool) == 0:
            return pool, prediction
        rows = torch.cdist(pool.x.flatten(1), ranked.x.to(pool.x).flatten(1)).argmin(dim=1)
        return replace(pool, rows=rows), prediction

    @cached_property
    def _only(self) -> Indices | None:
        """(M,), positions, ascending; None for all of them."""
        if not self.masks.only:
            return None
        return np.array(sorted(self.catalogue.positions_of(self.masks.only)), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class ItemIds(Sequence[str]):
    """Ids of a catalogue's items at some positions, or at all of them, without a list of them."""

    catalogue: Catalogue
    positions: Indices | None

    def __len__(self) -> int:
        return len(self.catalogue) if self.positions is None else len(self.positions)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        return self.catalogue.item_id(place if self.positions is None else int(self.positions[place]))
