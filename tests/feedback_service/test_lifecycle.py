"""The end of sessions, over gRPC and on a real Redis: closing, rolling back, erasing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
import redis

from apa.client import AsyncClient, Client, Erased, SessionView
from apa.errors import ApaError, FailedPrecondition, InvalidArgument, NotFound
from apa.store.surrogates import SurrogateStore
from tests.apa.store.test_erasure import traces
from tests.apa.store.test_surrogates import fitted
from tests.apa.store.world import World, a_session
from tests.feedback_service.processes import Service, refused
from tests.waiting import wait_until

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    """No call here needs a sampler."""
    with Client(sampler=NOWHERE, feedback=f"127.0.0.1:{service.ready.port}") as client:
        yield client


def publish(world: World, *numbers: int) -> None:
    lease = world.due.acquire("s1", 60)
    assert lease is not None
    for events in numbers:
        assert SurrogateStore(world.client).publish(lease, *fitted(events))
    world.due.release(lease)


def test_a_session_is_closed_once_and_says_when(client: Client, world: World) -> None:
    slate = world.show()

    closed = client.close_session("s1")
    again = client.close_session("s1")

    assert closed.ledger.closed_at == pytest.approx(time.time(), abs=30)
    assert closed.ledger.reserved == 0
    assert again == closed == client.get_session("s1")
    (result,) = client.record_feedback("s1", {slate.items[0].particle_id: 1.0}, check=False)
    assert isinstance(result.error, FailedPrecondition)
    assert (result.error.field, "closed" in result.error.message) == ("session_id", True)


def test_a_rollback_shows_which_version_steers_and_ends_with_the_release(
    client: Client, world: World
) -> None:
    publish(world, 0)
    (old,) = client.list_surrogates("s1")

    pinned = client.rollback_surrogate("s1", old.version)
    world.answer(world.show(), 0)
    assert not client.get_session("s1").is_fitted
    publish(world, 1)

    view = client.wait_for_refit("s1", timeout_s=5)
    assert (pinned.pinned_version, view.pinned_version) == (old.version, old.version)
    assert view.surrogate is not None
    assert view.surrogate.trained_events == 1
    assert client.release_surrogate("s1").pinned_version == ""


def test_a_version_that_is_not_kept_is_not_found_and_the_error_lists_what_is(
    client: Client, world: World
) -> None:
    publish(world, 1, 2)
    error = refused(NotFound, lambda: client.rollback_surrogate("s1", "0123"))
    assert (error.field, error.found) == ("version", "0123")
    assert all(version.version in error.expected for version in client.list_surrogates("s1"))


def test_deleting_a_user_is_counted_and_leaves_nothing(client: Client, redis_client: redis.Redis) -> None:
    world = World(redis_client, user_id="ada/lovelace")
    world.sessions.create(a_session("other", user_id="bob"))
    world.answer(world.show(), 0)
    publish(world, 1)

    erased = client.delete_user("ada/lovelace")

    assert erased == Erased(sessions=1, events=1, slates=1, particles=4, surrogates=1)
    assert traces(redis_client) == []
    assert client.delete_user("ada/lovelace", tenant="default") == Erased()
    assert [view.session_id for view in client.list_sessions()] == ["other"]


@pytest.mark.parametrize(("user_id", "tenant", "field"), [("", None, "user_id"), ("x" * 257, "t", "user_id")])
def test_a_deletion_names_one_user(client: Client, user_id: str, tenant: str | None, field: str) -> None:
    assert refused(InvalidArgument, lambda: client.delete_user(user_id, tenant=tenant)).field == field


def test_an_unknown_session_is_not_found(client: Client) -> None:
    calls = (client.close_session, client.release_surrogate, partial(client.rollback_surrogate, version="v"))
    for call in calls:
        error = refused(NotFound, partial(call, "nobody"))
        assert (error.field, error.found) == ("session_id", "nobody")


def test_the_asynchronous_client_does_the_same(service: Service, world: World) -> None:
    publish(world, 1)
    (version, _) = fitted(1)

    async def calls() -> tuple[SessionView, SessionView, SessionView, Erased]:
        async with AsyncClient(sampler=NOWHERE, feedback=f"127.0.0.1:{service.ready.port}") as client:
            return (
                await client.rollback_surrogate("s1", version.version),
                await client.release_surrogate("s1"),
                await client.close_session("s1"),
                await client.delete_user("anonymous"),
            )

    pinned, released, closed, erased = asyncio.run(calls())
    assert (pinned.pinned_version, released.pinned_version) == (version.version, "")
    assert closed.ledger.closed_at is not None
    assert (erased.sessions, erased.surrogates) == (1, 1)


def test_what_races_with_a_deletion_brings_nothing_back(client: Client, redis_client: redis.Redis) -> None:
    """Slates, answers and refits of a session in four threads, while its user is deleted again and again."""
    done = threading.Event()
    numbers = itertools.count()
    lived = [0] * 4

    def live(thread: int) -> None:
        world = World(redis_client, budget=1000, numbers=numbers)
        while not done.is_set():
            with contextlib.suppress(ApaError, AssertionError):
                world.answer(world.show(), 0)
                publish(world, 1)
                lived[thread] += 1

    threads = [threading.Thread(target=live, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    erased = Erased()
    for _ in range(10):
        enough = sum(lived) + 3
        World(redis_client, budget=1000)
        wait_until(lambda enough=enough: sum(lived) > enough, what="some life")  # type: ignore[misc]
        erased += client.delete_user("anonymous")
    done.set()
    for thread in threads:
        thread.join()

    assert erased.sessions == 10
    assert erased.events >= 20
    assert traces(redis_client) == []
