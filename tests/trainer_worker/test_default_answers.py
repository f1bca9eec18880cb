"""Slates that have waited for their answers, on a real store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from apa import keys
from apa.errors import AlreadyExists, Unavailable
from apa.records.feedback import BinaryAnswer, Feedback, ScalarAnswer
from apa.records.session import Ledger, Session, SessionConfig
from apa.records.slate import Slate
from apa.store.connection import connect
from tests.trainer_worker.world import TrainerWorld
from tests.waiting import wait_until
from trainer_worker.dataset import dataset
from trainer_worker.default_answers import DefaultAnswers, default_answers
from trainer_worker.stores import Stores

WAIT_S = 0.3


@pytest.fixture
def defaults(world: TrainerWorld) -> DefaultAnswers:
    return DefaultAnswers(world.stores, world.metrics.default_answers.inc)


def waiting_slate(
    world: TrainerWorld, count: int = 3, asked: int | None = None, **config: Any
) -> tuple[str, Slate]:
    fields = {"answer_wait_s": WAIT_S, "default_reward": -1.0} | config
    session_id = world.session(f"s{world.shown}", **fields)
    return session_id, world.show(session_id, count, asked, wait_s=WAIT_S)[0]


def answer(session_id: str, slate: Slate, place: int, reward: float = 2.0, rater: str = "") -> Feedback:
    particle_id = slate.items[place].particle_id
    return Feedback(
        feedback_id=f"f-{particle_id}{rater}",
        session_id=session_id,
        answer=ScalarAnswer(particle_id=particle_id, reward=reward),
        rater=rater,
    )


def wait_over(world: TrainerWorld, count: int = 1) -> None:
    wait_until(lambda: len(world.stores.waiting.over(100)) == count, what="the end of the wait")


def totals(world: TrainerWorld, session_id: str) -> Ledger:
    return world.stores.sessions.ledger(session_id)


def test_before_its_wait_is_over_a_slate_is_given_nothing(
    world: TrainerWorld, defaults: DefaultAnswers
) -> None:
    session_id = world.session(answer_wait_s=600.0, default_reward=0.0)
    world.show(session_id, 3)
    defaults.give()
    assert totals(world, session_id) == Ledger(reserved=3)
    assert world.due() == []


def test_after_it_every_item_without_an_answer_is_given_the_default_and_is_learnt_from(
    world: TrainerWorld, defaults: DefaultAnswers
) -> None:
    session_id, slate = waiting_slate(world)
    world.stores.ledger.record(answer(session_id, slate, 1))
    wait_over(world)
    assert totals(world, session_id) == Ledger(spent=1, reserved=2, num_events=1)

    defaults.give()

    assert totals(world, session_id) == Ledger(spent=3, reserved=0, round_index=1, num_events=3)
    assert [event.defaulted for event in world.stores.ledger.log(session_id)] == [False, True, True]
    assert world.stores.waiting.over(100) == []
    assert world.measured("default_answers_total") == 2
    assert world.due() == [session_id]
    world.refit(session_id)
    assert world.trained_events(session_id) == 3


def test_a_sweep_that_comes_again_and_many_at_once_give_each_default_once(
    world: TrainerWorld, redis_url: str
) -> None:
    session_id, _ = waiting_slate(world, count=40, particles_per_round=8)
    wait_over(world)
    start = threading.Barrier(6)

    def sweep(_: int) -> None:
        stores = Stores.at(redis_url)
        start.wait(10)
        DefaultAnswers(stores, world.metrics.default_answers.inc).give()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(sweep, range(6)))
    DefaultAnswers(world.stores, world.metrics.default_answers.inc).give()

    assert totals(world, session_id) == Ledger(spent=40, round_index=1, num_events=40)
    events = world.stores.ledger.events(session_id)
    assert len({event.feedback_id for event in events}) == 40
    assert world.measured("default_answers_total") == 40


def test_a_sweep_that_died_half_way_is_finished_by_the_next(
    world: TrainerWorld, defaults: DefaultAnswers
) -> None:
    session_id, slate = waiting_slate(world)
    wait_over(world)
    session = world.stores.sessions.get(session_id)
    world.stores.ledger.record_defaults(default_answers(session, slate)[:2])
    assert totals(world, session_id) == Ledger(spent=2, reserved=1, num_events=2)

    defaults.give()

    assert totals(world, session_id) == Ledger(spent=3, round_index=1, num_events=3)


def test_a_true_answer_that_comes_late_is_what_counts_at_no_cost(
    world: TrainerWorld, defaults: DefaultAnswers
) -> None:
    session_id, slate = waiting_slate(world, budget=3)
    wait_over(world)
    defaults.give()

    late = world.stores.ledger.record(answer(session_id, slate, 0))

    assert (late.sequence, late.spent, late.remaining) == (4, 3, 0)
    config = world.stores.sessions.get(session_id).config
    events = world.stores.ledger.events(session_id)
    particles = world.stores.slates.particles(session_id, [item.particle_id for item in slate.items])
    learnt = dataset(events, particles, (4,), config)
    assert learnt.values.tolist() == [-1.0, -1.0, 2.0]
    with pytest.raises(AlreadyExists):
        world.stores.ledger.record(answer(session_id, slate, 0, reward=3.0))


def test_of_several_raters_each_is_taken_not_to_have_liked_what_it_did_not_answer(
    world: TrainerWorld, defaults: DefaultAnswers
) -> None:
    session_id, slate = waiting_slate(
        world,
        count=2,
        asked=4,
        feedback_kind="binary",
        default_reward=0.0,
        raters=("ada", "ben"),
    )
    liked = BinaryAnswer(particle_id=slate.items[0].particle_id, liked=True)
    world.stores.ledger.record(Feedback(feedback_id="f", session_id=session_id, answer=liked, rater="ada"))
    wait_over(world)

    defaults.give()

    assert totals(world, session_id) == Ledger(spent=4, round_index=1, num_events=4)
    given = [
        (event.rater, event.answer.particle_ids[0][-2:], getattr(event.answer, "liked", None))
        for event in world.stores.ledger.events(session_id)
    ]
    assert given == [
        ("ada", "p0", True),
        ("ben", "p0", False),
        ("ada", "p1", False),
        ("ben", "p1", False),
    ]


def test_a_budget_that_ends_within_a_slate_pays_for_no_more_than_it_has(
    world: TrainerWorld, defaults: DefaultAnswers
) -> None:
    session_id, _ = waiting_slate(world, count=2, asked=4, budget=3, raters=("ada", "ben"))
    wait_over(world)
    defaults.give()
    assert totals(world, session_id) == Ledger(spent=3, round_index=1, num_events=3)


def test_a_session_that_was_closed_is_given_nothing_and_looked_at_no_more(
    world: TrainerWorld, defaults: DefaultAnswers
) -> None:
    session_id, _ = waiting_slate(world)
    world.stores.sessions.close(session_id)
    wait_over(world)
    defaults.give()
    assert totals(world, session_id).num_events == 0
    assert world.stores.waiting.over(100) == []


def test_a_slate_that_is_lost_or_damaged_gives_back_its_budget_and_stops_no_other(
    world: TrainerWorld, defaults: DefaultAnswers, redis_client: redis.Redis
) -> None:
    lost, slate = waiting_slate(world)
    damaged, other = waiting_slate(world)
    whole, _ = waiting_slate(world)
    redis_client.delete(keys.slate(lost, slate.slate_id))
    redis_client.set(keys.slate(damaged, other.slate_id), "{")
    wait_over(world, 3)

    defaults.give()

    for session_id in (lost, damaged):
        assert totals(world, session_id) == Ledger(round_index=1)
    assert totals(world, whole).num_events == 3
    assert world.stores.waiting.over(100) == []


def test_the_oldest_come_first_where_there_are_more_than_one_sweep_takes(
    world: TrainerWorld, defaults: DefaultAnswers
) -> None:
    for _ in range(3):
        waiting_slate(world, count=1)
    wait_over(world, 3)
    assert [one.session_id for one in world.stores.waiting.over(2)] == ["s0", "s1"]
    assert defaults.give(2)
    assert [one.session_id for one in world.stores.waiting.over(2)] == ["s2"]
    assert not defaults.give(2)


def test_a_store_that_is_away_is_said_and_keeps_the_slate_waiting(
    world: TrainerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id, _ = waiting_slate(world)
    wait_over(world)
    away = connect("redis://127.0.0.1:1", timeout_s=0.2)
    monkeypatch.setattr(world.stores.ledger, "_client", away)
    with pytest.raises(Unavailable):
        DefaultAnswers(world.stores, world.metrics.default_answers.inc).give()
    assert totals(world, session_id).reserved == 3
    assert len(world.stores.waiting.over(100)) == 1


def test_the_default_answers_of_a_slate_are_always_the_same(world: TrainerWorld) -> None:
    session_id, slate = waiting_slate(world)
    session = world.stores.sessions.get(session_id)
    assert default_answers(session, slate) == default_answers(session, slate)
    config = SessionConfig.model_validate(session.config.model_dump() | {"raters": ("ada", "ben")})
    grouped = Session(session_id=session_id, config=config, created_at=1.0)
    ids = [one.feedback_id for one in default_answers(grouped, slate)]
    assert len(set(ids)) == 6
