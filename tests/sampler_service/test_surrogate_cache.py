"""Surrogates in memory: fetched once, on the engine's device, bounded, and honest about errors."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import torch

from apa.errors import DataLoss, NotFound
from apa.surrogates import CnnSurrogate, LinearSurrogate, Surrogate, version_of
from sampler_service.surrogate_cache import SurrogateCache
from tests.apa.surrogates.toys import random_cnn, random_surrogate

DEVICES = ["cpu", "meta", *(["cuda"] if torch.cuda.is_available() else [])]
BLOBS = [random_surrogate(seed).to_bytes() for seed in range(3)]


class Store:
    """Artifacts by version; every fetch waits until the gate opens."""

    def __init__(self, *blobs: bytes) -> None:
        self.blobs = {version_of(blob): blob for blob in blobs}
        self.fetched: list[tuple[str, str]] = []
        self.opened = threading.Event()
        self.opened.set()

    def __call__(self, session_id: str, version: str) -> bytes:
        self.fetched.append((session_id, version))
        assert self.opened.wait(timeout=30)
        if version not in self.blobs:
            raise NotFound("no such surrogate", field="surrogate_version")
        return self.blobs[version]


def _together(
    store: Store, cache: SurrogateCache, sessions: list[str], version: str
) -> list[Future[Surrogate]]:
    """Everybody asks before the first fetch answers."""
    queries: list[bool] = []
    asked = threading.Semaphore(0)

    def on_query(hit: bool) -> None:
        queries.append(hit)
        asked.release()

    cache._on_query = on_query
    store.opened.clear()
    with ThreadPoolExecutor(len(sessions)) as threads:
        asking = [threads.submit(cache.get, session_id, version) for session_id in sessions]
        for _ in sessions:
            assert asked.acquire(timeout=30)
        store.opened.set()
    assert not any(queries)
    return asking


def test_misses_at_the_same_time_fetch_once() -> None:
    store = Store(BLOBS[0])
    version = version_of(BLOBS[0])
    cache = SurrogateCache(store, 10**6)

    asked = _together(store, cache, ["s"] * 8, version)

    assert store.fetched == [("s", version)]
    assert len({id(one.result()) for one in asked}) == 1
    assert cache.get("s", version) is asked[0].result()


def test_those_who_wait_share_the_error_and_the_next_tries_again() -> None:
    store, version = Store(), version_of(BLOBS[0])
    cache = SurrogateCache(store, 10**6)

    asked = _together(store, cache, ["s"] * 4, version)

    assert len(store.fetched) == 1
    assert [type(one.exception()) for one in asked] == [NotFound] * 4
    assert len({id(one.exception()) for one in asked}) == 4
    store.blobs[version] = BLOBS[0]
    assert isinstance(cache.get("s", version), LinearSurrogate)


def test_a_session_does_not_suffer_for_the_lost_blob_of_another() -> None:
    version = version_of(BLOBS[0])
    store = Store(BLOBS[0])

    def fetch(session_id: str, version: str) -> bytes:
        if session_id == "lost":
            store("lost", "nothing")
        return store(session_id, version)

    lost, kept = _together(store, SurrogateCache(fetch, 10**6), ["lost", "kept"], version)

    assert isinstance(lost.exception(), NotFound)
    assert isinstance(kept.result(), LinearSurrogate)


def test_the_least_recently_used_goes_first_and_one_too_large_is_not_kept() -> None:
    store = Store(*BLOBS)
    versions = [version_of(blob) for blob in BLOBS]
    cache = SurrogateCache(store, 2 * len(BLOBS[0]))
    for version in (versions[0], versions[1], versions[0], versions[2], versions[0], versions[1]):
        cache.get("s", version)
    assert [version for _, version in store.fetched] == [versions[i] for i in (0, 1, 2, 1)]

    small = SurrogateCache(store, 10)
    assert small.get("s", versions[0]) is not small.get("s", versions[0])


def test_an_artifact_of_another_version_is_data_loss() -> None:
    store = Store()
    store.blobs["0" * 16] = BLOBS[0]
    with pytest.raises(DataLoss):
        SurrogateCache(store, 10**6).get("s", "0" * 16)


@pytest.mark.parametrize("device", DEVICES)
def test_a_surrogate_is_moved_to_the_device_once(device: str) -> None:
    linear, cnn = random_surrogate(0).to_bytes(), random_cnn().to_bytes()
    cache = SurrogateCache(Store(linear, cnn), 10**6, device=device)

    for blob in (linear, cnn):
        surrogate = cache.get("s", version_of(blob))
        assert isinstance(surrogate, (LinearSurrogate, CnnSurrogate))
        assert surrogate.posterior.factor.device.type == device
        assert cache.get("s", version_of(blob)) is surrogate
