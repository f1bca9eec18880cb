"""Features of all items of a catalogue, kept from one revision to the next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue
from apa.priors.vector_index import Indices
from sampler_service.background import Background
from sampler_service.showing_on_device import OnDevice

MAX_BYTES = 256 * 1024 * 1024
"""Of one catalogue at one noise level: of *films*, whose features are 384 numbers, 174,762 items."""
MAX_TABLES = 4
CHUNK = 256
"""Items whose features are computed at once, and no more than that while a call waits."""


@dataclass(frozen=True, eq=False)
class _Known:
    """features: (N, F), float32, of the catalogue's items by position; None where they would be too many."""

    catalogue: Catalogue
    features: Tensor | None


@dataclass(eq=False)
class _Table:
    known: _Known | None = None
    coming: Background[_Known] | None = None
    updating: threading.Lock = field(default_factory=threading.Lock)


class CatalogueFeatures:
    """By the prior's content hash and the noise level; safe to use from several threads.

    A feature depends on the item's vector alone, so that of another revision only new vectors are looked at.

    Args:
        max_bytes: of the features of one catalogue; of more none are kept.
    """

    def __init__(self, on_device: OnDevice, max_bytes: int = MAX_BYTES) -> None:
        self._on_device = on_device
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._tables: OrderedDict[tuple[str, float], _Table] = OrderedDict()

    def of(self, prior: Prior, level: float, catalogue: Catalogue) -> Tensor | None:
        """(N, F), float32, of its items by position, on the host.

        Where little is new it is computed while the caller waits. Else None while it is computed in the
        background, which begins when it is first asked for; and None of a catalogue that is too large.
        """
        table = self._table((prior.content_hash, level))
        with self._lock:
            made = None if table.coming is None else table.coming.get()
            if made is not None:
                table.known, table.coming = made, None
            known = table.known
        if known is not None and known.catalogue is catalogue:
            return known.features
        new = _new(catalogue, known)
        if known is None or len(new) > CHUNK:
            with self._lock:
                if table.coming is None:
                    what = f"features of the catalogue of {prior.card.name}"
                    table.coming = Background(lambda: self._made(prior, level, catalogue, known, new), what)
                table.coming.get()
            return None
        with table.updating:
            # Who waited for another caller's finds it made.
            if table.known is not None and table.known.catalogue is catalogue:
                return table.known.features
            made = self._made(prior, level, catalogue, known, new)
            with self._lock:
                table.known = made
            return made.features

    def _table(self, key: tuple[str, float]) -> _Table:
        with self._lock:
            table = self._tables.setdefault(key, _Table())
            self._tables.move_to_end(key)
            while len(self._tables) > MAX_TABLES:
                self._tables.popitem(last=False)
            return table

    def _made(
        self, prior: Prior, level: float, catalogue: Catalogue, known: _Known | None, new: Indices
    ) -> _Known:
        """Of a new revision, of which these positions are not known."""
        before = None if known is None else known.features
        if len(new) == 0 and before is not None and len(before) == len(catalogue):
            return _Known(catalogue, before)
        parts = []
        for rows in np.split(new, range(CHUNK, len(new), CHUNK)):
            parts.append(self._on_device.features(prior, level, torch.from_numpy(catalogue.vectors[rows])))
            if len(catalogue) * parts[0][:1].nbytes > self._max_bytes:
                return _Known(catalogue, None)
        features = torch.empty(len(catalogue), parts[0].shape[1])
        if before is not None:
            shared = min(len(before), len(features))
            features[:shared] = before[:shared]
        features[torch.from_numpy(new)] = torch.cat(parts)
        return _Known(catalogue, features)


def _new(catalogue: Catalogue, known: _Known | None) -> Indices:
    """Positions whose vectors are not those that are known."""
    if known is None or known.features is None:
        return np.arange(len(catalogue))
    now, before = catalogue.vectors, known.catalogue.vectors
    shared = min(len(now), len(before))
    new = np.ones(len(now), dtype=np.bool_)
    new[:shared] = (now[:shared] != before[:shared]).any(axis=1)
    return np.flatnonzero(new)
