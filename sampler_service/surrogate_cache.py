"""Surrogates in memory, by content hash, bounded in bytes. A miss loads off the tick, once for all."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

import torch

from apa.errors import ApaError
from apa.surrogates.artifact import load
from apa.surrogates.base import Surrogate

Fetch = Callable[[str, str], bytes]
"""(session_id, version) -> artifact."""


class SurrogateCache:
    """The hot reload: a run asks for the version that the pointer names; an unseen one is fetched once.

    Those who ask for a session's version while it is being fetched wait for it, and share its error. The next
    to ask after an error tries again.

    Args:
        fetch: reads an artifact from the store; raises NotFound or DataLoss.
        max_bytes: of artifacts kept; the least recently used go first.
        on_query: told of each look-up whether it hit.
        device: where the runs compute; a surrogate is moved there once, when it is loaded.
    """

    def __init__(
        self,
        fetch: Fetch,
        max_bytes: int,
        on_query: Callable[[bool], None] = lambda _hit: None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._fetch = fetch
        self._max_bytes = max_bytes
        self._on_query = on_query
        self._device = device
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[Surrogate, int]] = OrderedDict()
        # By session too: another session's blob of the same content may be there where this one's is lost.
        self._under_way: dict[tuple[str, str], Future[Surrogate]] = {}
        self._bytes = 0

    def get(self, session_id: str, version: str) -> Surrogate:
        """The surrogate of this version, on the device.

        Raises:
            ApaError: what `fetch` raised, or DataLoss for an artifact that is not this version's.
        """
        key = (session_id, version)
        with self._lock:
            entry = self._entries.get(version)
            if entry is not None:
                self._entries.move_to_end(version)
            others = self._under_way.get(key)
            if entry is None and others is None:
                mine: Future[Surrogate] = Future()
                self._under_way[key] = mine
        self._on_query(entry is not None)
        if entry is not None:
            return entry[0]
        return self._load(key, mine) if others is None else _result_of(others)

    def _load(self, key: tuple[str, str], future: Future[Surrogate]) -> Surrogate:
        try:
            blob = self._fetch(*key)
            surrogate = load(blob, expected_version=key[1]).to(self._device)
        except BaseException as error:
            self._forget(key)
            future.set_exception(error)
            raise
        # Kept before it is forgotten, so that nobody comes between the two and fetches it again.
        self._keep(key[1], surrogate, len(blob))
        self._forget(key)
        future.set_result(surrogate)
        return surrogate

    def _forget(self, key: tuple[str, str]) -> None:
        with self._lock:
            del self._under_way[key]

    def _keep(self, version: str, surrogate: Surrogate, size: int) -> None:
        with self._lock:
            if version in self._entries or size > self._max_bytes:
                return
            self._entries[version] = (surrogate, size)
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, (_, dropped) = self._entries.popitem(last=False)
                self._bytes -= dropped


def _result_of(future: Future[Surrogate]) -> Surrogate:
    error = future.exception()
    if isinstance(error, ApaError):
        # A copy for each: one instance raised by many threads would gather the traceback of all.
        raise copy.copy(error).with_traceback(None)
    return future.result()
