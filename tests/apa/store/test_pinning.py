"""Rollback: a kept version steers, whatever is published, until it is released."""

from __future__ import annotations

import threading

import pytest

from apa import keys
from apa.errors import NotFound
from apa.records.session import SurrogateVersion
from apa.store.surrogates import KEPT_VERSIONS, SurrogateStore
from apa.store.views import SessionViews
from tests.apa.store.test_surrogates import a_lease, fitted
from tests.apa.store.world import World


@pytest.fixture
def store(world: World) -> SurrogateStore:
    return SurrogateStore(world.client)


def published(world: World, *numbers: int) -> list[SurrogateVersion]:
    """Versions fitted on these numbers of events, published in order."""
    store, lease = SurrogateStore(world.client), a_lease(world.due)
    for events in numbers:
        assert store.publish(lease, *fitted(events))
    world.due.release(lease)
    return [fitted(events)[0] for events in numbers]


def steers(store: SurrogateStore) -> SurrogateVersion | None:
    steering = store.steering("s1")
    return None if steering is None else steering.version


def test_without_a_pin_the_newest_steers(world: World, store: SurrogateStore) -> None:
    assert store.steering("s1") is None
    _, newest = published(world, 1, 2)
    assert steers(store) == newest


def test_a_pinned_version_steers_while_newer_ones_are_published_until_it_is_released(
    world: World, store: SurrogateStore
) -> None:
    first, _ = published(world, 1, 2)

    store.pin("s1", first.version)
    (third,) = published(world, 3)

    assert steers(store) == first
    assert store.current("s1") == third, "refits go on, and what they publish is the newest"
    store.release("s1")
    store.release("s1")
    assert steers(store) == third


def test_a_pinned_version_is_kept_with_its_artifact_and_goes_once_it_is_released(
    world: World, store: SurrogateStore
) -> None:
    (first,) = published(world, 1)
    store.pin("s1", first.version)
    others = published(world, *range(2, KEPT_VERSIONS + 4))
    newest = others[: -KEPT_VERSIONS - 1 : -1]

    assert store.versions("s1") == [*newest, first]
    assert store.blob("s1", first.version) == fitted(1)[1]
    store.release("s1")
    (last,) = published(world, 99)
    assert store.versions("s1") == [last, *newest[:-1]]
    with pytest.raises(NotFound):
        store.blob("s1", first.version)


def test_an_unknown_version_is_not_found_and_the_error_names_those_that_are_kept(
    world: World, store: SurrogateStore
) -> None:
    with pytest.raises(NotFound) as refused:
        store.pin("s1", "none")
    assert "there is none yet" in refused.value.expected
    first, second = published(world, 1, 2)
    with pytest.raises(NotFound) as refused:
        store.pin("s1", "none")
    assert (refused.value.field, refused.value.found) == ("version", "none")
    assert refused.value.expected == f"one of {second.version}, {first.version}"
    with pytest.raises(NotFound) as refused:
        store.pin("nobody", first.version)
    assert refused.value.field == "session_id"
    with pytest.raises(NotFound) as refused:
        store.release("nobody")
    assert refused.value.field == "session_id"


def test_a_session_is_seen_with_its_pin_and_is_fitted_by_its_newest_version(
    world: World, store: SurrogateStore
) -> None:
    slate = world.show()
    world.answer(slate, 0)
    (first,) = published(world, 0)
    store.pin("s1", first.version)

    (view,) = SessionViews(world.client).of([world.sessions.get("s1")])
    assert (view.pinned_version, view.is_fitted) == (first.version, False)

    (newest,) = published(world, 1)
    (view,) = SessionViews(world.client).of([world.sessions.get("s1")])
    assert (view.pinned_version, view.surrogate, view.is_fitted) == (first.version, newest, True)


def test_whichever_version_is_pinned_while_others_are_published_its_artifact_is_there(
    world: World, store: SurrogateStore
) -> None:
    """Each look at what steers finds a version whose artifact can be read, and never a newer than the pin."""
    published(world, 1, 2, 3)
    done = threading.Event()

    def publish() -> None:
        for events in range(4, 200):
            published(world, events)
        done.set()

    publisher = threading.Thread(target=publish)
    publisher.start()
    pinned = 0
    while not done.is_set():
        oldest = store.versions("s1")[-1]
        try:
            store.pin("s1", oldest.version)
        except NotFound:
            continue
        pinned += 1
        for _ in range(5):
            assert steers(store) == oldest
            assert store.blob("s1", oldest.version)
        store.release("s1")
    publisher.join()

    assert pinned > 10
    assert len(world.client.smembers(keys.surrogate_blobs("s1"))) <= KEPT_VERSIONS + 1


def test_an_artifact_that_a_refit_left_when_it_died_goes_with_the_next_publishing(
    world: World, store: SurrogateStore
) -> None:
    world.client.set(keys.surrogate_blob("s1", "lost"), b"blob")
    world.client.sadd(keys.surrogate_blobs("s1"), "lost")
    (first,) = published(world, 1)
    blobs = {key.decode() for key in world.client.scan_iter("*:blob:*")}
    assert blobs == {keys.surrogate_blob("s1", first.version)}
