"""Groups that answer, correct themselves and fall silent, all at once and over random histories."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apa import keys
from apa.errors import AlreadyExists, ApaError, FailedPrecondition, InvalidArgument, NotFound
from apa.records.feedback import Feedback, RankingAnswer
from apa.records.slate import Slate
from apa.store.ledger import FeedbackLedger
from tests.apa.store.world import World, a_slate, particles_of

RATERS = ("ada", "ben")
ORDERS = st.sampled_from([[0, 1], [1, 0], [0, 1, 2], [2, 0, 1]])
BUDGET = 25


def a_group(client: redis.Redis, kind: str = "ranking", budget: int = BUDGET) -> World:
    return World(
        client, budget=budget, late_answers_s=600.0, config={"feedback_kind": kind, "raters": RATERS}
    )


def show(world: World, num_items: int, k: int) -> Slate:
    reservation = world.reserve(k=k)
    slate = a_slate(reservation, num_items, f"r{reservation.slate_id[2:]}")
    slate = slate.model_copy(update={"asked": reservation.asked})
    return world.slates.put(slate, particles_of(slate))


def a_ranking(
    slate: Slate, order: Sequence[int], rater: str, feedback_id: str, supersedes: str = ""
) -> Feedback:
    return Feedback(
        feedback_id=feedback_id,
        session_id="s1",
        answer=RankingAnswer(particle_ids=tuple(slate.items[place].particle_id for place in order)),
        rater=rater,
        supersedes=supersedes,
    )


def test_a_group_that_answers_and_corrects_itself_at_once_never_overspends_and_loses_nothing(
    redis_client: redis.Redis,
) -> None:
    world = a_group(redis_client)
    slates = [show(world, 4, 6) for _ in range(6)]
    assert [slate.asked for slate in slates] == [6, 6, 6, 6, 1, 0]
    sent = [
        one
        for number, slate in enumerate(slates)
        for rater in RATERS
        for one in (
            a_ranking(slate, (0, 1, 2, 3), rater, f"f{number}{rater}"),
            a_ranking(slate, (0, 1), rater, f"g{number}{rater}"),
            a_ranking(slate, (3, 2, 1, 0), rater, f"c{number}{rater}", supersedes=f"f{number}{rater}"),
        )
    ]
    # Everything is sent three times, in an order of its own each time, by eight callers.
    calls = [one for seed in range(3) for one in random.Random(seed).sample(sent, len(sent))]
    start = threading.Barrier(8)

    def send(caller: int) -> Counter[str]:
        seen: Counter[str] = Counter()
        ledger = FeedbackLedger(redis_client)
        start.wait(10)
        for feedback in calls[caller::8]:
            try:
                seen["again" if ledger.record(feedback).duplicate else "new"] += 1
            except (FailedPrecondition, NotFound):
                seen["refused"] += 1
        return seen

    with ThreadPoolExecutor(8) as pool:
        outcomes = sum(pool.map(send, range(8)), Counter())

    events, totals = world.ledger.events("s1"), world.totals()
    assert outcomes["new"] == len(events) == len({event.feedback_id for event in events}) == totals.num_events
    assert totals.spent == sum(event.answer.cost for event in events if not event.supersedes)
    assert totals.spent + totals.reserved <= BUDGET
    assert totals.reserved == sum(int(held) for held in redis_client.hvals(keys.unanswered("s1")))
    answered = {event.feedback_id for event in events}
    assert all(event.supersedes in answered for event in events if event.supersedes)


@dataclass
class Model:
    """What the mathematics says of a group's rankings."""

    spent: int = 0
    held: dict[str, int] = field(default_factory=dict)
    holds: dict[tuple[str, frozenset[str]], str] = field(default_factory=dict)
    defaults: set[str] = field(default_factory=set)
    recorded: dict[str, Feedback] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)

    @property
    def free(self) -> int:
        return BUDGET - self.spent - sum(self.held.values())

    def record(self, feedback: Feedback, slate_id: str, *, defaulted: bool = False) -> object:
        if feedback.feedback_id in self.recorded:
            known = self.recorded[feedback.feedback_id]
            return "duplicate" if known == feedback else AlreadyExists
        subject = (feedback.rater, frozenset(feedback.answer.particle_ids))
        current = self.holds.get(subject, "")
        if feedback.supersedes and feedback.supersedes != current:
            if feedback.supersedes not in self.recorded:
                return NotFound
            return FailedPrecondition if feedback.supersedes in self.replaced else InvalidArgument
        if current and not feedback.supersedes and (defaulted or current not in self.defaults):
            return AlreadyExists
        cost = 0 if current else feedback.answer.cost
        from_slate = min(cost, self.held.get(slate_id, 0))
        if cost - from_slate > (0 if defaulted else self.free):
            return FailedPrecondition
        self._keep(feedback, subject, current, defaulted)
        self.spent += cost
        self.held[slate_id] = self.held.get(slate_id, 0) - from_slate
        return "new"

    def _keep(
        self, feedback: Feedback, subject: tuple[str, frozenset[str]], current: str, defaulted: bool
    ) -> None:
        self.recorded[feedback.feedback_id] = feedback
        self.holds[subject] = feedback.feedback_id
        if current:
            self.replaced.add(current)
        if defaulted:
            self.defaults.add(feedback.feedback_id)


class GroupMachine(RuleBasedStateMachine):
    client: redis.Redis
    slates = Bundle("slates")

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.world = a_group(self.client)
        self.model = Model()

    @precondition(lambda self: len(self.model.held) < 4)
    @rule(target=slates, k=st.integers(0, 8))
    def show(self, k: int) -> Slate:
        slate = show(self.world, 4, k)
        assert slate.asked == min(k, self.model.free)
        self.model.held[slate.slate_id] = slate.asked
        return slate

    @rule(slate=slates)
    def expire(self, slate: Slate) -> None:
        # The clock is the server's: what is moved is the slate's end.
        if self.client.zadd(keys.open_slates("s1"), {slate.slate_id: 1}, xx=True, ch=True):
            self.model.held[slate.slate_id] = 0

    @rule(
        slate=slates,
        order=ORDERS,
        rater=st.sampled_from(RATERS),
        number=st.integers(0, 40),
        supersedes=st.just("") | st.integers(0, 40).map("f{}".format),
        defaulted=st.booleans(),
    )
    def answer(
        self, slate: Slate, order: list[int], rater: str, number: int, supersedes: str, defaulted: bool
    ) -> None:
        # Few ids and few sets, so that they are met again, and so that some of what is superseded exists.
        feedback = a_ranking(slate, order, rater, f"f{number}", "" if defaulted else supersedes)
        self.send(feedback, slate, defaulted)

    @rule(slate=slates, order=ORDERS, rater=st.sampled_from(RATERS), number=st.integers(41, 80))
    def correct(self, slate: Slate, order: list[int], rater: str, number: int) -> None:
        named = frozenset(slate.items[place].particle_id for place in order)
        current = self.model.holds.get((rater, named), "")
        self.send(a_ranking(slate, order, rater, f"f{number}", current), slate, defaulted=False)

    def send(self, feedback: Feedback, slate: Slate, defaulted: bool) -> None:
        expected = self.model.record(feedback, slate.slate_id, defaulted=defaulted)
        ledger = self.world.ledger
        (result,) = (ledger.record_defaults if defaulted else ledger.record_many)([feedback])
        if isinstance(result, ApaError):
            assert type(result) is expected
        else:
            assert expected == ("duplicate" if result.duplicate else "new")

    @invariant()
    def totals_agree(self) -> None:
        totals = self.world.totals()
        assert totals.num_events == len(self.model.recorded)
        assert totals.spent == self.model.spent
        assert totals.reserved == sum(self.model.held.values())
        assert totals.spent + totals.reserved <= BUDGET

    def teardown(self) -> None:
        log = self.world.ledger.log("s1")
        assert [event.feedback for event in log] == list(self.model.recorded.values())
        assert {event.feedback.feedback_id for event in log if event.defaulted} == self.model.defaults


@pytest.fixture
def machine(redis_client: redis.Redis) -> Iterator[type[GroupMachine]]:
    GroupMachine.client = redis_client
    yield GroupMachine
    del GroupMachine.client


def test_a_groups_ledger_agrees_with_its_model_over_random_histories(machine: type[GroupMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
