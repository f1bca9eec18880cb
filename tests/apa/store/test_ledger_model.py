"""The ledger against a model of it in a few lines of Python, over random histories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apa import keys
from apa.errors import AlreadyExists, ApaError, FailedPrecondition
from apa.records.slate import Slate
from tests.apa.store.world import LONG_S, World, a_slate, an_answer, particles_of

BUDGET = 12


@dataclass
class Model:
    """What the mathematics says: `held` answers per open slate, and what was answered by which event."""

    spent: int = 0
    rounds: int = 0
    held: dict[str, int] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    recorded: dict[str, tuple[str, float, int]] = field(default_factory=dict)

    @property
    def free(self) -> int:
        return BUDGET - self.spent - sum(self.held.values())

    def record(self, feedback_id: str, particle_id: str, slate_id: str, reward: float) -> object:
        if feedback_id in self.recorded:
            known_particle, known_reward, sequence = self.recorded[feedback_id]
            return sequence if (known_particle, known_reward) == (particle_id, reward) else AlreadyExists
        if particle_id in self.answers:
            return AlreadyExists
        if not self.held.get(slate_id) and self.free <= 0:
            return FailedPrecondition
        self.spent += 1
        self.answers[particle_id] = feedback_id
        self.recorded[feedback_id] = (particle_id, reward, self.spent)
        if self.held.get(slate_id):
            self.held[slate_id] -= 1
            if not self.held[slate_id]:
                self.rounds += 1
        return self.spent


class LedgerMachine(RuleBasedStateMachine):
    client: redis.Redis
    slates = Bundle("slates")

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.world = World(self.client, budget=BUDGET, late_answers_s=600.0)
        self.model = Model()

    @rule(target=slates, k=st.integers(1, 5), missing=st.integers(0, 2))
    def show(self, k: int, missing: int) -> Slate:
        reservation = self.world.reserve(k=k)
        assert reservation.asked == min(k, self.model.free)
        assert reservation.round_index == self.model.rounds
        slate = a_slate(reservation, max(1, k - missing), f"r{reservation.slate_id[2:]}")
        self.model.held[slate.slate_id] = slate.asked
        return self.world.slates.put(slate, particles_of(slate))

    @rule(k=st.integers(1, 5))
    def give_up(self, k: int) -> None:
        reservation = self.world.reserve(k=k)
        self.world.slates.release("s1", reservation.slate_id)

    @rule(slate=slates)
    def expire(self, slate: Slate) -> None:
        # The clock is the server's: what is moved is the slate's end.
        open_slates = keys.open_slates("s1")
        if self.client.zadd(open_slates, {slate.slate_id: 1}, xx=True, ch=True):
            self.model.held[slate.slate_id] = 0
            self.model.rounds += 1

    @rule(slate=slates, index=st.integers(0, 4), number=st.integers(0, 5), reward=st.sampled_from([0.0, 1.0]))
    def answer(self, slate: Slate, index: int, number: int, reward: float) -> None:
        particle_id = slate.items[index % len(slate.items)].particle_id
        # Few ids, so that they are used again: by the same answer and by others.
        feedback_id = f"f{number}" if number < 3 else f"f-{particle_id}"
        expected = self.model.record(feedback_id, particle_id, slate.slate_id, reward)
        try:
            found: object = self.world.ledger.record(an_answer(particle_id, feedback_id, reward)).sequence
        except ApaError as error:
            found = type(error)
        assert found == expected

    @rule(slate=slates)
    def ask_again(self, slate: Slate) -> None:
        again = self.world.slates.reserve("s1", slate.request_id, "other", 4, LONG_S)
        assert again.replay == slate

    @invariant()
    def totals_agree(self) -> None:
        totals = self.world.totals()
        assert totals.spent == totals.num_events == self.model.spent
        assert totals.reserved == sum(self.model.held.values())
        assert totals.round_index == self.model.rounds
        assert totals.spent + totals.reserved <= BUDGET

    def teardown(self) -> None:
        events = self.world.ledger.events("s1")
        assert [event.feedback_id for event in events] == list(self.model.recorded)


@pytest.fixture
def machine(redis_client: redis.Redis) -> Iterator[type[LedgerMachine]]:
    LedgerMachine.client = redis_client
    yield LedgerMachine
    del LedgerMachine.client


def test_the_ledger_agrees_with_its_model_over_random_histories(machine: type[LedgerMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
