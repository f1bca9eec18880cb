from __future__ import annotations

import pytest
import redis

from apa import keys
from apa.records.session import RefitFailure
from apa.store.due import DueStore, Lease
from apa.store.surrogates import SurrogateStore
from apa.store.views import SessionViews
from tests.apa.store.test_surrogates import fitted
from tests.apa.store.world import SHORT_S, World, a_session
from tests.waiting import wait_until


@pytest.fixture
def store(world: World) -> DueStore:
    return world.due


def test_due_sessions_come_from_all_shards_oldest_first(store: DueStore, redis_client: redis.Redis) -> None:
    ids = [f"s{i}" for i in range(50)]
    for age, session_id in enumerate(ids):
        redis_client.zadd(keys.due(keys.shard_of(session_id)), {session_id: 1000 - age})

    assert store.due(100) == list(reversed(ids))
    assert store.due(3) == ["s49", "s48", "s47"]
    assert store.count() == 50


def test_marking_a_due_session_again_keeps_its_place(store: DueStore, redis_client: redis.Redis) -> None:
    store.mark("s1")
    since = redis_client.zscore(keys.due(keys.shard_of("s1")), "s1")
    wait_until(
        lambda: redis_client.time()[1] / 1000 % 1000 != (since or 0) % 1000, what="the next millisecond"
    )

    store.mark("s1")

    assert redis_client.zscore(keys.due(keys.shard_of("s1")), "s1") == since
    assert store.count() == 1


def test_a_session_that_is_not_there_is_neither_due_nor_lent(
    store: DueStore, redis_client: redis.Redis
) -> None:
    before = set(redis_client.scan_iter())
    store.mark("nobody")
    assert store.acquire("nobody", 60) is None
    assert set(redis_client.scan_iter()) == before


def test_one_refit_at_a_time_and_each_lease_beats_the_one_before(store: DueStore) -> None:
    first = store.acquire("s1", 60)
    assert first is not None
    assert store.acquire("s1", 60) is None

    store.release(first)

    second = store.acquire("s1", 60)
    assert second is not None
    assert second.token > first.token


def test_the_lease_of_a_worker_that_died_passes_on(store: DueStore) -> None:
    first = store.acquire("s1", SHORT_S)
    assert first is not None

    taken: list[Lease] = []

    def take() -> bool:
        lease = store.acquire("s1", 60)
        taken.extend([lease] if lease else [])
        return bool(taken)

    wait_until(take, what="a lease")

    assert taken[0].token > first.token
    assert not store.settle(first, 0), "whoever lost the lease ends nothing"
    assert store.acquire("s1", 60) is None


def test_a_refit_that_saw_every_answer_ends_the_sessions_being_due(world: World) -> None:
    slate = world.show()
    world.answer(slate, 0)
    lease = world.due.acquire("s1", 60)
    assert lease is not None

    assert world.due.settle(lease, trained_events=1)

    assert world.due.due(10) == []
    assert world.due.acquire("s1", 60) is not None, "the lease was given back"


def test_an_answer_during_a_refit_keeps_the_session_due(world: World) -> None:
    slate = world.show()
    world.answer(slate, 0)
    lease = world.due.acquire("s1", 60)
    assert lease is not None
    world.answer(slate, 1)

    assert not world.due.settle(lease, trained_events=1)

    assert world.due.due(10) == ["s1"]
    assert world.due.acquire("s1", 60) is not None


def test_a_failure_is_kept_until_a_refit_succeeds(world: World, redis_client: redis.Redis) -> None:
    views, session = SessionViews(redis_client), world.sessions.get("s1")
    lease = world.due.acquire("s1", 60)
    assert lease is not None
    failure = RefitFailure(error="DataLoss", message="gone", num_events=3, failed_at=1e9)

    assert world.due.fail(lease, failure, 60)
    assert views.of([session])[0].refit_failure == failure

    lease = world.due.acquire("s1", 60)
    assert lease is not None, "its lease ended with it"
    world.due.release(lease)
    assert views.of([session])[0].refit_failure == failure

    lease = world.due.acquire("s1", 60)
    assert lease is not None
    world.due.settle(lease, trained_events=0)
    assert views.of([session])[0].refit_failure is None


def test_a_failure_that_a_later_refit_has_overtaken_is_not_kept(
    world: World, redis_client: redis.Redis
) -> None:
    first = world.due.acquire("s1", SHORT_S)
    assert first is not None
    failure = RefitFailure(error="DataLoss", message="gone", num_events=3, failed_at=1e9)
    wait_until(lambda: not redis_client.exists(keys.lease("s1")), what="the lease's end")
    assert world.due.fail(first, failure, 60), "nobody has taken the session over yet"

    assert world.due.acquire("s1", 60) is not None
    assert not world.due.fail(first, failure.model_copy(update={"message": "late"}), 60)
    (view,) = SessionViews(redis_client).of([world.sessions.get("s1")])
    assert view.refit_failure == failure


def test_what_is_published_ends_the_failure_though_its_lease_has_run_out(
    world: World, redis_client: redis.Redis
) -> None:
    lease = world.due.acquire("s1", SHORT_S)
    assert lease is not None
    world.due.fail(lease, RefitFailure(error="DataLoss", message="gone", num_events=3, failed_at=1e9), 60)
    wait_until(lambda: not redis_client.exists(keys.lease("s1")), what="the lease's end")

    assert SurrogateStore(redis_client).publish(lease, *fitted(1))

    assert not redis_client.exists(keys.refit_failure("s1"))


def _failed_on(num_events: int) -> RefitFailure:
    return RefitFailure(error="DataLoss", message="gone", num_events=num_events, failed_at=1e9)


def _taken(world: World, rest_s: float, num_events: int) -> list[Lease]:
    """What can be taken of a session with one answer, after a refit of so many failed."""
    world.answer(world.show(), 0)
    (lease,) = world.due.take(["s1"], 60)
    world.due.fail(lease, _failed_on(num_events), rest_s)
    return world.due.take(["s1"], 60)


def test_what_failed_rests_and_is_due_again_by_itself(world: World) -> None:
    assert _taken(world, SHORT_S, num_events=1) == []
    assert (world.due.due(10), world.due.count()) == (["s1"], 1)
    wait_until(lambda: world.due.free(10) == ["s1"], what="the end of the rest")
    assert len(world.due.take(["s1"], 60)) == 1


def test_what_would_fail_again_is_not_due_before_its_next_answer(world: World) -> None:
    slate = world.show()
    world.answer(slate, 0)
    (lease,) = world.due.take(["s1"], 60)
    world.due.fail(lease, _failed_on(1), None)
    assert world.due.count() == 0
    world.answer(slate, 1)
    assert world.due.free(10) == ["s1"]


def test_a_new_answer_ends_the_rest_of_what_failed(world: World) -> None:
    slate = world.show()
    world.answer(slate, 0)
    (lease,) = world.due.take(["s1"], 60)
    world.due.fail(lease, _failed_on(1), 60)
    assert not world.due.is_free("s1")

    world.answer(slate, 1)

    assert world.due.is_free("s1")
    assert len(world.due.take(["s1"], 60)) == 1


def test_answers_that_came_during_the_refit_that_failed_are_tried_at_once(world: World) -> None:
    assert len(_taken(world, 60, num_events=0)) == 1


def test_a_session_that_waits_keeps_its_place_when_it_is_answered_again(
    world: World, redis_client: redis.Redis
) -> None:
    slate = world.show()
    redis_client.zadd(keys.due(keys.shard_of("s1")), {"s1": 5.0})
    world.answer(slate, 0)
    assert redis_client.zscore(keys.due(keys.shard_of("s1")), "s1") == 5.0


def test_only_what_is_due_and_nobodys_is_taken(world: World) -> None:
    for name in ("s2", "s3"):
        world.sessions.create(a_session(name))
    for name in ("s1", "s2", "ghost"):
        world.due.mark(name)
    assert world.due.acquire("s2", 60) is not None

    leases = world.due.take(["s1", "s2", "s3", "ghost"], 60)

    assert [lease.session_id for lease in leases] == ["s1"]
    assert world.due.due(10) == ["s1", "s2"], "a session that is not there is no longer due"
    assert world.due.free(10) == []
    assert world.due.take(["s1"], 60) == []


def test_the_free_are_found_behind_many_that_are_taken(world: World, redis_client: redis.Redis) -> None:
    names = [f"s{i}" for i in range(10, 40)]
    for age, name in enumerate(names):
        world.sessions.create(a_session(name))
        redis_client.zadd(keys.due(keys.shard_of(name)), {name: age})
    world.due.take(names[:28], 60)
    assert world.due.free(1) == ["s38"]
    assert world.due.free(30) == ["s38", "s39"]


def test_many_leases_are_settled_each_by_its_own_answers(world: World) -> None:
    world.sessions.create(a_session("s2"))
    world.answer(world.show(), 0)
    world.due.mark("s2")
    leases = world.due.take(["s1", "s2"], 60)
    world.due.settle_many([(lease, 0) for lease in leases])
    assert world.due.due(10) == ["s1"], "one answer of s1 was not learnt from"
    assert world.due.free(10) == ["s1"]


def test_a_failed_refit_leaves_the_session_due(world: World) -> None:
    world.due.mark("s1")
    lease = world.due.acquire("s1", 60)
    assert lease is not None

    world.due.release(lease)

    assert world.due.due(10) == ["s1"]
