"""Surrogates in memory, by content hash, bounded in bytes. A miss loads off the tick."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from apa.surrogates.artifact import load
from apa.surrogates.base import Surrogate

Fetch = Callable[[str, str], bytes]
"""(session_id, version) -> artifact."""


class SurrogateCache:
    """The hot reload: a run asks for the version that the pointer names; an unseen one is fetched once.

    Args:
        fetch: reads an artifact from the store; raises NotFound or DataLoss.
        max_bytes: of artifacts kept; the least recently used go first.
        on_query: told of each look-up whether it hit.
    """

    def __init__(
        self, fetch: Fetch, max_bytes: int, on_query: Callable[[bool], None] = lambda _hit: None
    ) -> None:
        self._fetch = fetch
        self._max_bytes = max_bytes
        self._on_query = on_query
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[Surrogate, int]] = OrderedDict()
        self._bytes = 0

    def get(self, session_id: str, version: str) -> Surrogate:
        with self._lock:
            entry = self._entries.get(version)
            if entry is not None:
                self._entries.move_to_end(version)
        self._on_query(entry is not None)
        if entry is not None:
            return entry[0]
        blob = self._fetch(session_id, version)
        surrogate = load(blob, expected_version=version)
        self._keep(version, surrogate, len(blob))
        return surrogate

    def _keep(self, version: str, surrogate: Surrogate, size: int) -> None:
        with self._lock:
            if version in self._entries or size > self._max_bytes:
                return
            self._entries[version] = (surrogate, size)
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, (_, dropped) = self._entries.popitem(last=False)
                self._bytes -= dropped
