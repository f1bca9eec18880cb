from __future__ import annotations

import hashlib

import pytest
import redis

from apa import keys
from apa.errors import DataLoss, InvalidArgument, NotFound
from apa.records.session import SurrogateVersion
from apa.store.due import DueStore, Lease
from apa.store.surrogates import KEPT_VERSIONS, SurrogateStore
from tests.apa.store.world import World
from tests.waiting import wait_until


@pytest.fixture
def store(world: World) -> SurrogateStore:
    return SurrogateStore(world.client)


@pytest.fixture
def due(world: World) -> DueStore:
    return world.due


def a_lease(due: DueStore) -> Lease:
    lease = due.acquire("s1", 60)
    assert lease is not None
    return lease


def fitted(events: int, contents: str = "") -> tuple[SurrogateVersion, bytes]:
    blob = f"fitted on {events} {contents}".encode()
    version = hashlib.sha256(blob).hexdigest()[:16]
    return SurrogateVersion(
        version=version, family="linear", trained_events=events, published_at=float(events)
    ), blob


def test_before_the_first_refit_there_is_no_surrogate(store: SurrogateStore) -> None:
    assert store.current("s1") is None
    assert store.versions("s1") == []


def test_a_published_surrogate_is_current_and_its_artifact_is_read_back(
    store: SurrogateStore, due: DueStore
) -> None:
    version, blob = fitted(3)

    assert store.publish(a_lease(due), version, blob)

    assert store.current("s1") == version
    assert store.versions("s1") == [version]
    assert store.blob("s1", version.version) == blob


def test_publishing_is_announced_with_the_session(
    store: SurrogateStore, due: DueStore, redis_client: redis.Redis
) -> None:
    heard: list[object] = []
    listener = redis_client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe(keys.PUBLISHED_CHANNEL)
    # The first message is the subscription's own, and is ignored.
    listener.get_message(timeout=5)

    store.publish(a_lease(due), *fitted(3))

    def listen() -> bool:
        message = listener.get_message(timeout=0.1)
        if message:
            heard.append(message["data"])
        return bool(heard)

    wait_until(listen, what="the announcement")
    listener.close()
    assert heard == [b"s1"]


def test_an_older_refit_never_replaces_a_newer_one(store: SurrogateStore, due: DueStore) -> None:
    lease = a_lease(due)
    newer, older = fitted(5), fitted(4)
    store.publish(lease, *newer)

    assert not store.publish(lease, *older)

    assert store.current("s1") == newer[0]
    with pytest.raises(NotFound):
        store.blob("s1", older[0].version)


def test_a_stale_lease_publishes_nothing(store: SurrogateStore, due: DueStore) -> None:
    stale = a_lease(due)
    due.release(stale)
    lease = a_lease(due)
    version, blob = fitted(9)

    assert not store.publish(stale, version, blob)
    assert store.current("s1") is None

    assert store.publish(lease, version, blob)
    assert not store.publish(stale, version, blob)
    assert store.blob("s1", version.version) == blob, "a refusal does not remove what is published"


def test_a_lease_that_expired_but_passed_to_nobody_may_still_publish(
    store: SurrogateStore, due: DueStore, redis_client: redis.Redis
) -> None:
    lease = due.acquire("s1", 0.05)
    assert lease is not None
    wait_until(lambda: not redis_client.exists(keys.lease("s1")), what="the lease's expiry")

    assert store.publish(lease, *fitted(1))


def test_a_refit_on_the_same_events_may_replace_the_last(store: SurrogateStore, due: DueStore) -> None:
    """A reloaded prior makes its sessions due without a new answer."""
    lease = a_lease(due)
    store.publish(lease, *fitted(3, "old prior"))

    assert store.publish(lease, *fitted(3, "new prior"))

    assert store.current("s1") == fitted(3, "new prior")[0]


def test_publishing_the_same_version_again_keeps_one_of_it(store: SurrogateStore, due: DueStore) -> None:
    lease = a_lease(due)
    for _ in range(2):
        assert store.publish(lease, *fitted(3))
    assert store.versions("s1") == [fitted(3)[0]]


def test_the_newest_versions_stay_and_the_artifacts_of_older_ones_go(
    store: SurrogateStore, due: DueStore, redis_client: redis.Redis
) -> None:
    lease = a_lease(due)
    published = [fitted(events) for events in range(1, KEPT_VERSIONS + 4)]
    for version, blob in published:
        assert store.publish(lease, version, blob)

    kept = published[: -KEPT_VERSIONS - 1 : -1]
    assert store.versions("s1") == [version for version, _ in kept]
    blobs = {key.decode() for key in redis_client.scan_iter("*:blob:*")}
    assert blobs == {keys.surrogate_blob("s1", version.version) for version, _ in kept}
    with pytest.raises(NotFound):
        store.blob("s1", published[0][0].version)


@pytest.mark.parametrize("name", ["", "0", "0123456789abcdef"])
def test_a_version_that_is_not_the_hash_of_its_artifact_is_refused(
    store: SurrogateStore, due: DueStore, name: str
) -> None:
    version, blob = fitted(3)
    with pytest.raises(InvalidArgument) as refused:
        store.publish(a_lease(due), version.model_copy(update={"version": name}), blob)
    assert refused.value.field == "version"


def test_a_damaged_artifact_is_data_loss(
    store: SurrogateStore, due: DueStore, redis_client: redis.Redis
) -> None:
    version, blob = fitted(3)
    store.publish(a_lease(due), version, blob)
    redis_client.setrange(keys.surrogate_blob("s1", version.version), 0, "X")

    with pytest.raises(DataLoss):
        store.blob("s1", version.version)


def test_the_versions_of_many_sessions_are_read_at_once(store: SurrogateStore, due: DueStore) -> None:
    lease = a_lease(due)
    for events in (3, 4):
        assert store.publish(lease, *fitted(events))
    older_and_newer = store.versions("s1")
    assert [version.trained_events for version in older_and_newer] == [4, 3]
    assert store.versions_of(["nobody", "s1"]) == [[], older_and_newer]
