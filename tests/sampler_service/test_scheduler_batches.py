"""Batches of the device: bounded, shared by weight, nobody starved, small runs whole."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler_service.scheduler import Limits, Scheduler, Ticket
from sampler_service.scheduler_batches import Batches, Wanted


def _scheduler(limits: Limits, *tickets: Ticket, **weights: float) -> Scheduler:
    scheduler = Scheduler(limits, weights)
    for ticket in tickets:
        scheduler.submit(ticket, 0.0)
    assert len(scheduler.admit(0.0).started) == len(tickets)
    return scheduler


def test_a_small_run_is_in_every_batch_and_a_large_one_fills_the_rest() -> None:
    batches = Batches(max_particles=100, max_elements=10**6)
    wanted = [Wanted("large", 4096), Wanted("small", 32)]

    given_rows = [batches.next(wanted) for _ in range(40)]

    assert sum("small" in rows for rows in given_rows) >= 39
    assert all(sum(rows.values()) == 100 for rows in given_rows)


def test_a_run_that_fits_into_a_batch_is_never_cut() -> None:
    batches = Batches(max_particles=100, max_elements=10**6)
    wanted = [Wanted(str(i), 60) for i in range(3)]

    chosen = [batches.next(wanted) for _ in range(6)]

    assert all(rows == 60 for batch in chosen for rows in batch.values())
    assert Counter(run_id for batch in chosen for run_id in batch) == {"0": 2, "1": 2, "2": 2}


def test_numbers_are_bounded_as_particles_are_and_one_particle_always_fits() -> None:
    batches = Batches(max_particles=100, max_elements=1000)
    assert batches.next([Wanted("image", 500, elements=784)]) == {"image": 1}
    assert batches.next([Wanted("huge", 5, elements=5000)]) == {"huge": 1}
    assert batches.next([Wanted("vector", 500, elements=2)]) == {"vector": 100}
    assert batches.rows_of(10) == 100
    assert batches.rows_of(50) == 20


def test_a_new_run_does_not_collect_the_share_of_the_time_before_it_came() -> None:
    batches = Batches(max_particles=10, max_elements=10**6)
    for _ in range(50):
        batches.next([Wanted("old", 1000)])

    both = [batches.next([Wanted("old", 1000), Wanted("new", 1000)]) for _ in range(10)]

    assert Counter(run_id for rows in both for run_id in rows) == {"old": 5, "new": 5}


def test_many_runs_of_a_tenant_are_no_larger_a_share_than_one() -> None:
    many = [Ticket(f"a{i}", 100, 10, "a") for i in range(9)]
    scheduler = _scheduler(Limits(max_batch_particles=10), *many, Ticket("b", 100, 10, "b"), b=2.0)

    served: Counter[str] = Counter()
    for _ in range(300):
        for run_id, rows in scheduler.batch({f"a{i}": 100 for i in range(9)} | {"b": 100}).items():
            served[run_id[0]] += rows

    assert served["b"] / served["a"] == pytest.approx(2.0, rel=0.1)


@settings(max_examples=150)
@given(
    runs=st.lists(
        st.tuples(st.integers(1, 300), st.integers(1, 60), st.floats(0.1, 4.0)), min_size=1, max_size=12
    ),
    max_particles=st.integers(1, 100),
    max_elements=st.integers(1, 2000),
)
def test_every_batch_is_within_its_bounds_and_all_rows_are_served(
    runs: list[tuple[int, int, float]], max_particles: int, max_elements: int
) -> None:
    batches = Batches(max_particles, max_elements)
    left = {str(i): rows for i, (rows, _, _) in enumerate(runs)}
    total = sum(left.values())

    for _ in range(total):
        wanted = [Wanted(name, rows, runs[int(name)][1], runs[int(name)][2]) for name, rows in left.items()]
        chosen = batches.next(wanted)
        assert sum(chosen.values()) <= max_particles
        elements = sum(rows * runs[int(name)][1] for name, rows in chosen.items())
        assert elements <= max_elements or sum(chosen.values()) == 1
        assert chosen, "somebody is always served"
        left = {name: rows - chosen.get(name, 0) for name, rows in left.items() if rows > chosen.get(name, 0)}
        if not left:
            return
    pytest.fail("not all rows were served")
