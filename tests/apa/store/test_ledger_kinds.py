"""Answers of every kind, by one rater or several: what they cost, and when they are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from apa import keys
from apa.errors import AlreadyExists, ApaError, FailedPrecondition, InvalidArgument, NotFound
from apa.records.feedback import Answer, BinaryAnswer, PairwiseAnswer, RankingAnswer, ScalarAnswer
from apa.records.session import Ledger
from apa.records.slate import Slate
from tests.apa.store.test_ledger import everything
from tests.apa.store.world import SHORT_S, World, a_slate, particles_of
from tests.waiting import wait_until


def ids(slate: Slate, *places: int) -> list[str]:
    return [slate.items[place].particle_id for place in places]


def liked(slate: Slate, place: int, is_liked: bool = True) -> Answer:
    return BinaryAnswer(particle_id=slate.items[place].particle_id, liked=is_liked)


def prefers(slate: Slate, preferred: int, other: int) -> Answer:
    better, worse = ids(slate, preferred, other)
    return PairwiseAnswer(preferred=better, other=worse)


def ranks(slate: Slate, *places: int) -> Answer:
    return RankingAnswer(particle_ids=tuple(ids(slate, *places)))


def a_world(client: redis.Redis, kind: str, **config: object) -> World:
    return World(client, late_answers_s=600.0, config={"feedback_kind": kind, **config})


def show(world: World, num_items: int, asked: int) -> Slate:
    """A slate of so many items that asks so many answers."""
    reservation = world.reserve(k=asked)
    slate = a_slate(reservation, num_items, f"r{reservation.slate_id[2:]}")
    slate = slate.model_copy(update={"asked": min(reservation.asked, asked)})
    return world.slates.put(slate, particles_of(slate))


def refused(kind: type[ApaError], call: Callable[[], object]) -> ApaError:
    with pytest.raises(kind) as found:
        call()
    return found.value


def test_every_kind_is_kept_as_it_was_given(redis_client: redis.Redis) -> None:
    answers: dict[str, Callable[[Slate], Answer]] = {
        "scalar": lambda slate: ScalarAnswer(particle_id=slate.items[0].particle_id, reward=0.5),
        "binary": lambda slate: liked(slate, 0, is_liked=False),
        "pairwise": lambda slate: prefers(slate, 2, 1),
        "ranking": lambda slate: ranks(slate, 2, 0, 1),
    }
    for kind, answer in answers.items():
        redis_client.flushall()
        world = a_world(redis_client, kind)
        given = answer(show(world, 4, 4))
        accepted = world.record("f", given)
        assert accepted.spent == given.cost
        assert [event.answer for event in world.ledger.events("s1")] == [given]
        assert world.due.due(10) == ["s1"]


def test_a_ranking_costs_one_less_than_it_names_and_its_particles_are_all_kept(
    redis_client: redis.Redis,
) -> None:
    world = a_world(redis_client, "ranking")
    slate = show(world, 4, 3)

    assert world.record("f", ranks(slate, 3, 1, 0)).spent == 2

    assert world.totals() == Ledger(spent=2, reserved=1, round_index=0, num_events=1)
    lifetimes = [redis_client.pttl(keys.particle("s1", one)) for one in ids(slate, 0, 1, 2, 3)]
    assert [lifetime == -1 for lifetime in lifetimes] == [True, True, False, True]


def test_what_a_slate_does_not_reserve_is_taken_from_what_nobody_does(redis_client: redis.Redis) -> None:
    world = World(redis_client, budget=5, config={"feedback_kind": "ranking"})
    first, second = show(world, 4, 1), show(world, 4, 2)

    # 1 of its slate and 2 of the rest: nothing is left but what the second slate holds.
    world.record("f1", ranks(first, 0, 1, 2, 3))
    assert world.totals() == Ledger(spent=3, reserved=2, round_index=1, num_events=1)

    error = refused(FailedPrecondition, lambda: world.record("f2", ranks(second, 0, 1, 2, 3)))
    assert (error.field, error.found) == ("budget", "3 spent and 2 reserved of 5")
    world.record("f3", ranks(second, 0, 1, 2))
    assert world.totals() == Ledger(spent=5, reserved=0, round_index=2, num_events=2)


def test_the_first_particle_names_the_slate_that_pays(redis_client: redis.Redis) -> None:
    world = a_world(redis_client, "pairwise")
    first, second = show(world, 2, 1), show(world, 2, 1)
    (better,), (worse,) = ids(second, 0), ids(first, 0)

    world.record("f", PairwiseAnswer(preferred=better, other=worse))

    assert redis_client.hgetall(keys.unanswered("s1")) == {first.slate_id.encode(): b"1"}
    assert world.totals().round_index == 1


def test_an_answer_with_one_unknown_particle_names_it_and_writes_nothing(redis_client: redis.Redis) -> None:
    world = a_world(redis_client, "ranking")
    slate = show(world, 4, 3)
    before = everything(redis_client)
    known = ids(slate, 0, 1)

    for place in range(3):
        named = [*known[:place], "never", *known[place:]]
        answer = RankingAnswer(particle_ids=tuple(named))
        with pytest.raises(NotFound) as found:
            world.record("f", answer)
        assert (found.value.field, found.value.found) == ("particle_id", "never")
    assert everything(redis_client) == before


def test_an_answer_with_one_expired_particle_is_not_found(redis_client: redis.Redis) -> None:
    world = World(redis_client, config={"feedback_kind": "pairwise"})
    gone, there = world.show(2, lifetime_s=SHORT_S), world.show(2)
    (lost,), (kept,) = ids(gone, 0), ids(there, 0)
    wait_until(lambda: not redis_client.exists(keys.particle("s1", lost)), what="the particle's expiry")

    error = refused(NotFound, lambda: world.record("f", PairwiseAnswer(preferred=kept, other=lost)))
    assert error.found == lost


def test_a_pair_is_answered_once_whichever_way_round_and_a_set_whatever_the_order(
    redis_client: redis.Redis,
) -> None:
    world = a_world(redis_client, "pairwise")
    slate = show(world, 4, 2)
    world.record("f1", prefers(slate, 0, 1))
    error = refused(AlreadyExists, lambda: world.record("f2", prefers(slate, 1, 0)))
    assert error.found == f"{', '.join(ids(slate, 1, 0))}, answered by f1"
    world.record("f3", prefers(slate, 0, 2))

    redis_client.flushall()
    world = a_world(redis_client, "ranking")
    slate = show(world, 4, 3)
    world.record("f1", ranks(slate, 0, 1, 2))
    refused(AlreadyExists, lambda: world.record("f2", ranks(slate, 2, 1, 0)))
    assert world.record("f3", ranks(slate, 0, 1)).spent == 3


def test_another_kind_than_the_sessions_is_refused_and_writes_nothing(redis_client: redis.Redis) -> None:
    for kind, wrong in (("scalar", "binary"), ("binary", "scalar"), ("pairwise", "ranking")):
        redis_client.flushall()
        world = a_world(redis_client, kind)
        slate = world.show()
        answers = {
            "scalar": ScalarAnswer(particle_id=slate.items[0].particle_id, reward=1.0),
            "binary": liked(slate, 0),
            "ranking": ranks(slate, 0, 1),
        }
        before = everything(redis_client)
        with pytest.raises(InvalidArgument) as found:
            world.record("f", answers[wrong])
        assert (found.value.field, found.value.expected, found.value.found) == ("answer", kind, wrong)
        assert everything(redis_client) == before


def test_a_session_of_the_first_release_takes_scalar_answers_of_nobody_in_particular(world: World) -> None:
    assert world.client.hkeys(keys.ledger("s1")) == [
        b"budget",
        b"spent",
        b"reserved",
        b"round_index",
        b"num_events",
    ]
    slate = world.show()
    world.answer(slate, 0)
    refused(InvalidArgument, lambda: world.record("f", liked(slate, 1)))
    (particle_id,) = ids(slate, 0)
    assert world.client.hgetall(keys.answered("s1")) == {particle_id.encode(): f"f-{particle_id}".encode()}


def test_each_rater_answers_for_itself_and_nobody_else_does(redis_client: redis.Redis) -> None:
    world = a_world(redis_client, "binary", raters=("ada", "ben"))
    slate = show(world, 2, 4)

    world.record("f1", liked(slate, 0), rater="ada")
    world.record("f2", liked(slate, 0, is_liked=False), rater="ben")
    error = refused(AlreadyExists, lambda: world.record("f3", liked(slate, 0), rater="ada"))
    assert error.found == f"{slate.items[0].particle_id} by ada, answered by f1"

    for rater, found in (("eve", "eve"), ("", "none"), ("ad", "ad")):
        with pytest.raises(InvalidArgument) as unknown:
            world.record("f4", liked(slate, 1), rater=rater)
        told = (unknown.value.field, unknown.value.expected, unknown.value.found)
        assert told == ("rater", "one of ada, ben", found)
    assert world.totals() == Ledger(spent=2, reserved=2, round_index=0, num_events=2)
    world.record("f5", liked(slate, 1), rater="ada")
    world.record("f6", liked(slate, 1), rater="ben")
    assert world.totals().round_index == 1
    assert [event.rater for event in world.ledger.events("s1")] == ["ada", "ben", "ada", "ben"]


def test_a_session_without_raters_knows_none(world: World) -> None:
    slate = world.show()
    answer = ScalarAnswer(particle_id=slate.items[0].particle_id, reward=1.0)
    error = refused(InvalidArgument, lambda: world.record("f", answer, rater="ada"))
    assert (error.field, error.expected) == ("rater", "none: the session has no raters")
