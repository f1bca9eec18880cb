"""Features of catalogue items at the data end, in memory: the denoiser is asked once for an item."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_BYTES = 64 * 1024 * 1024
"""Of one prior at one noise level: of *films*, whose features are 384 numbers, 43,690 items."""
MAX_TABLES = 4

Compute = Callable[[NDArray[np.float32]], Tensor]
"""x: (M, D) -> features (M, F) on the host."""


class ItemFeatures:
    """Kept by the prior's content hash, the noise level, and the item's own vector.

    So an item whose vector changes is another item here, and nothing has to be forgotten when a catalogue
    changes. The least recently used items go first, and so do tables. Safe to use from several threads.

    Args:
        max_bytes: of features in one table.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._tables: OrderedDict[tuple[str, float], _Table] = OrderedDict()

    def of(self, content_hash: str, level: float, x: NDArray[np.float32], compute: Compute) -> Tensor:
        """(M, F), float32 on the host.

        Args:
            x: (M, D), vectors of items.
            compute: asked for those that are not here; not under the lock.
        """
        names = _names(x)
        with self._lock:
            table = self._table((content_hash, level))
            known = None if table is None else table.read(names)
        if known is not None and known.missing.size == 0:
            return torch.from_numpy(known.features)
        missing = np.arange(len(x)) if known is None else known.missing
        computed = compute(x[missing]).numpy()
        features = np.empty((len(x), computed.shape[1]), np.float32) if known is None else known.features
        features[missing] = computed
        with self._lock:
            self._keep((content_hash, level), [names[row] for row in missing], computed)
        return torch.from_numpy(features)

    def _table(self, key: tuple[str, float]) -> _Table | None:
        table = self._tables.get(key)
        if table is not None:
            self._tables.move_to_end(key)
        return table

    def _keep(self, key: tuple[str, float], names: Sequence[bytes], features: NDArray[np.float32]) -> None:
        table = self._table(key)
        if table is None:
            capacity = self._max_bytes // max(1, features[:1].nbytes)
            table = self._tables[key] = _Table(capacity, features.shape[1])
            while len(self._tables) > MAX_TABLES:
                self._tables.popitem(last=False)
        table.write(names, features)


class _Known:
    """features: (M, F), not set where missing: (L,), rows that were not found."""

    def __init__(self, features: NDArray[np.float32], missing: NDArray[np.int64]) -> None:
        self.features = features
        self.missing = missing


class _Table:
    """Rows of features by name, the least recently used first."""

    def __init__(self, capacity: int, width: int) -> None:
        self._capacity = capacity
        # Not written to until it is needed: the system gives the memory page by page.
        self._rows = np.empty((capacity, width), dtype=np.float32)
        self._places: OrderedDict[bytes, int] = OrderedDict()

    def read(self, names: Sequence[bytes]) -> _Known:
        places = np.array([self._places.get(name, -1) for name in names], dtype=np.int64)
        found = places >= 0
        for name in (name for name, there in zip(names, found.tolist(), strict=True) if there):
            self._places.move_to_end(name)
        features = np.empty((len(names), self._rows.shape[1]), dtype=np.float32)
        features[found] = self._rows[places[found]]
        return _Known(features, np.flatnonzero(~found))

    def write(self, names: Sequence[bytes], features: NDArray[np.float32]) -> None:
        """Of more than there is room for, the last."""
        first = max(0, len(names) - self._capacity)
        for name, row in zip(names[first:], features[first:], strict=True):
            if name in self._places:
                continue
            full = len(self._places) == self._capacity
            place = self._places.popitem(last=False)[1] if full else len(self._places)
            self._places[name] = place
            self._rows[place] = row


def _names(x: NDArray[np.float32]) -> list[bytes]:
    """The bytes of each vector."""
    raw = np.ascontiguousarray(x).tobytes()
    size = len(raw) // max(1, len(x))
    return [raw[start : start + size] for start in range(0, len(raw), size)]
