"""The scheduler: limits kept, places freed, shares fair, nobody starved. Time is a number."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from apa.errors import InvalidArgument, ResourceExhausted
from sampler_service.scheduler import Limits, Scheduler, Ticket


def _ticket(
    run_id: str,
    num_particles: int = 10,
    tenant: str = "a",
    deadline_s: float | None = None,
    num_steps: int = 10,
) -> Ticket:
    return Ticket(run_id, num_particles, num_steps, tenant, deadline_s)


def test_runs_are_admitted_while_they_fit() -> None:
    scheduler = Scheduler(Limits(max_particles=25))
    for i in range(3):
        scheduler.submit(_ticket(str(i)), now_s=0.0)

    assert scheduler.admit(0.0).started == ("0", "1")
    assert scheduler.admit(0.0).started == ()
    scheduler.release("0")
    assert scheduler.admit(0.0).started == ("2",)


def test_waiting_is_bounded_and_says_when_to_come_back() -> None:
    scheduler = Scheduler(Limits(max_particles=10, max_waiting=2, retry_after_s=3.0))
    scheduler.submit(_ticket("0"), 0.0)
    scheduler.submit(_ticket("1"), 0.0)

    with pytest.raises(ResourceExhausted) as caught:
        scheduler.submit(_ticket("2"), 0.0)

    assert caught.value.retry_after_s == 3.0
    scheduler.release("1")
    scheduler.submit(_ticket("2"), 0.0)


def test_one_tenant_cannot_fill_the_whole_queue_where_that_is_limited() -> None:
    scheduler = Scheduler(Limits(max_waiting=10, max_waiting_per_tenant=1))
    scheduler.submit(_ticket("0", tenant="a"), 0.0)

    with pytest.raises(ResourceExhausted):
        scheduler.submit(_ticket("1", tenant="a"), 0.0)
    scheduler.submit(_ticket("2", tenant="b"), 0.0)


@pytest.mark.parametrize("num_particles", [0, 11])
def test_a_run_that_never_fits_is_refused(num_particles: int) -> None:
    with pytest.raises(InvalidArgument):
        Scheduler(Limits(max_particles=10)).submit(_ticket("0", num_particles), 0.0)


def test_an_id_in_use_is_refused() -> None:
    scheduler = Scheduler(Limits(max_particles=10))
    scheduler.submit(_ticket("0"), 0.0)
    scheduler.admit(0.0)

    with pytest.raises(InvalidArgument):
        scheduler.submit(_ticket("0"), 0.0)


def test_a_run_whose_deadline_has_passed_is_never_started() -> None:
    scheduler = Scheduler()
    scheduler.submit(_ticket("late", deadline_s=5.0), 0.0)
    scheduler.submit(_ticket("early", deadline_s=5.1), 0.0)

    admission = scheduler.admit(5.0)

    assert admission.expired == ("late",)
    assert admission.started == ("early",)


def test_within_a_tenant_the_nearest_deadline_comes_first_then_arrival() -> None:
    scheduler = Scheduler(Limits(max_particles=10))
    scheduler.submit(_ticket("patient"), 0.0)
    scheduler.submit(_ticket("later", deadline_s=30.0), 0.0)
    scheduler.submit(_ticket("soon", deadline_s=20.0), 0.0)
    scheduler.submit(_ticket("patient too"), 0.0)

    assert _drain(scheduler, 0.0) == ["soon", "later", "patient", "patient too"]


def _drain(scheduler: Scheduler, now_s: float) -> list[str]:
    order: list[str] = []
    while scheduler.num_waiting:
        started = scheduler.admit(now_s).started
        order += started
        for run_id in started:
            scheduler.release(run_id)
    return order


def test_shares_follow_the_weights_whatever_the_sizes() -> None:
    scheduler = Scheduler(Limits(max_particles=40, max_waiting=400), weights={"b": 3.0})
    for i in range(150):
        scheduler.submit(_ticket(f"a{i}", num_particles=40, tenant="a"), 0.0)
        scheduler.submit(_ticket(f"b{i}", num_particles=20, tenant="b"), 0.0)

    first = Counter(run_id[0] for run_id in _drain(scheduler, 0.0)[:70])

    # Three times the particle-steps at half the size is six times the runs.
    assert first["b"] / first["a"] == pytest.approx(6.0, rel=0.15)


def test_a_tenant_that_was_away_has_not_saved_up_its_share() -> None:
    scheduler = Scheduler(Limits(max_particles=10, max_waiting=100))
    for i in range(20):
        scheduler.submit(_ticket(f"a{i}", tenant="a"), 0.0)
    for _ in range(10):
        (started,) = scheduler.admit(0.0).started
        scheduler.release(started)
    for i in range(10):
        scheduler.submit(_ticket(f"b{i}", tenant="b"), 0.0)

    order = _drain(scheduler, 0.0)

    assert "a" in {run_id[0] for run_id in order[:3]}


def test_ever_new_tenants_cannot_hold_back_an_old_one() -> None:
    scheduler = Scheduler(Limits(max_particles=10, max_waiting=100))
    for i in range(5):
        scheduler.submit(_ticket(f"old{i}", tenant="old"), 0.0)
    remaining = {f"old{i}" for i in range(5)}
    for turn in range(60):
        scheduler.submit(_ticket(f"new{turn}", tenant=f"new{turn}"), float(turn))
        for run_id in scheduler.admit(float(turn)).started:
            remaining.discard(run_id)
            scheduler.release(run_id)

    assert not remaining


def test_a_stream_of_urgent_runs_cannot_hold_back_one_without_a_deadline() -> None:
    scheduler = Scheduler(Limits(max_particles=10, max_waiting=1000))
    scheduler.submit(_ticket("patient"), 0.0)
    for second in range(200):
        now_s = float(second)
        for i in range(2):
            scheduler.submit(_ticket(f"{second}.{i}", deadline_s=now_s + 10.0), now_s)
        (started,) = scheduler.admit(now_s).started
        scheduler.release(started)
        if started == "patient":
            return
    pytest.fail("never started")


def test_a_large_run_is_not_overtaken_for_ever_by_small_ones() -> None:
    scheduler = Scheduler(Limits(max_particles=100, max_waiting=1000))
    scheduler.submit(_ticket("small-0", 60, tenant="a"), 0.0)
    scheduler.admit(0.0)
    scheduler.submit(_ticket("large", 100, tenant="b"), 0.0)
    scheduler.submit(_ticket("small-1", 10, tenant="a"), 1.0)

    assert scheduler.admit(1.0).started == ()
    scheduler.release("small-0")
    assert scheduler.admit(2.0).started == ("large",)


def test_a_busy_tenant_leaves_room_for_whoever_comes_next() -> None:
    scheduler = Scheduler(Limits(max_particles=100, max_waiting=1000))
    for i in range(50):
        scheduler.submit(_ticket(f"busy-{i}", 10, tenant="busy"), 0.0)
    scheduler.admit(0.0)

    scheduler.submit(_ticket("other", 40, tenant="other"), 1.0)

    assert "other" in scheduler.admit(1.0).started
    assert scheduler.num_running == 7


@settings(max_examples=30)
@given(
    size=st.integers(1, 50),
    others=st.lists(
        st.tuples(st.integers(1, 50), st.sampled_from("abc"), st.none() | st.floats(0.5, 100.0)),
        min_size=120,
        max_size=120,
    ),
    num_tenants=st.integers(1, 3),
)
def test_no_run_starves_whatever_arrives_after_it(
    size: int, others: list[tuple[int, str, float | None]], num_tenants: int
) -> None:
    scheduler = Scheduler(Limits(max_particles=50, max_waiting=1000))
    scheduler.submit(_ticket("patient", size, tenant="a"), 0.0)
    for second, (n, tenant, patience) in enumerate(others):
        now_s = float(second)
        deadline_s = None if patience is None else now_s + patience
        scheduler.submit(_ticket(str(second), n, "abc"["abc".index(tenant) % num_tenants], deadline_s), now_s)
        started = scheduler.admit(now_s).started
        if "patient" in started:
            return
        # Each second what runs ends, and another run has arrived.
        for run_id in started:
            scheduler.release(run_id)
    pytest.fail("never started")


class SchedulerMachine(RuleBasedStateMachine):
    """Any order of arrivals, admissions, ends and cancellations."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(Limits(max_particles=50, max_waiting=6, max_waiting_per_tenant=4))
        self.waiting: dict[str, Ticket] = {}
        self.running: dict[str, Ticket] = {}
        self.now_s = 0.0
        self.count = 0

    @rule(n=st.integers(1, 50), tenant=st.sampled_from("abc"), patience=st.none() | st.floats(0.1, 5.0))
    def arrive(self, n: int, tenant: str, patience: float | None) -> None:
        deadline_s = None if patience is None else self.now_s + patience
        ticket = _ticket(str(self.count), n, tenant, deadline_s)
        self.count += 1
        own = sum(other.tenant == tenant for other in self.waiting.values())
        if len(self.waiting) >= 6 or own >= 4:
            with pytest.raises(ResourceExhausted):
                self.scheduler.submit(ticket, self.now_s)
            return
        self.scheduler.submit(ticket, self.now_s)
        self.waiting[ticket.run_id] = ticket

    @rule(seconds=st.floats(0.0, 3.0))
    def admit(self, seconds: float) -> None:
        self.now_s += seconds
        admission = self.scheduler.admit(self.now_s)
        for run_id in admission.expired:
            deadline_s = self.waiting.pop(run_id).deadline_s
            assert deadline_s is not None
            assert deadline_s <= self.now_s
        for run_id in admission.started:
            ticket = self.waiting.pop(run_id)
            assert ticket.deadline_s is None or ticket.deadline_s > self.now_s
            self.running[run_id] = ticket
        # Somebody runs whenever somebody wants to.
        assert self.running or not self.waiting

    @rule(choice=st.integers(0, 100))
    def end(self, choice: int) -> None:
        everyone = [*self.running, *self.waiting]
        if everyone:
            run_id = everyone[choice % len(everyone)]
            self.scheduler.release(run_id)
            self.running.pop(run_id, None)
            self.waiting.pop(run_id, None)

    @rule()
    def everyone_gets_a_turn(self) -> None:
        for run_id in list(self.running):
            self.scheduler.release(run_id)
        self.running.clear()
        for _ in range(len(self.waiting)):
            for run_id in self.scheduler.admit(self.now_s).started:
                self.scheduler.release(run_id)
        self.waiting.clear()
        assert self.scheduler.num_waiting == 0

    @invariant()
    def limits_are_kept(self) -> None:
        assert self.scheduler.particles_running <= 50
        assert self.scheduler.particles_running == sum(t.num_particles for t in self.running.values())
        assert self.scheduler.num_waiting == len(self.waiting) <= 6
        assert self.scheduler.num_running == len(self.running)


SchedulerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestScheduler = SchedulerMachine.TestCase
