from __future__ import annotations

import threading
from collections import Counter

import pytest

from apa import keys
from apa.errors import NumericalError
from tests.trainer_worker.world import TrainerWorld
from trainer_worker import refit
from trainer_worker.fit.together import fit_together


def _due(world: TrainerWorld, count: int, answers: int = 3) -> list[str]:
    names = [f"s{i}" for i in range(count)]
    for name in names:
        world.session(name)
        world.answer(name, answers)
    return names


def _batch_sizes(world: TrainerWorld) -> tuple[float, float]:
    """How many batches there were, and how many sessions in them."""
    return world.measured("refit_batch_sessions_count"), world.measured("refit_batch_sessions_sum")


def test_all_that_is_due_is_refitted_in_as_few_batches_as_hold_it(world: TrainerWorld) -> None:
    names = _due(world, 10)
    assert not world.drain(most=4).run()
    assert [world.trained_events(name) for name in names] == [3] * 10
    assert world.due() == []
    assert _batch_sizes(world) == (3, 10)


def test_a_hint_takes_along_what_else_is_due(world: TrainerWorld) -> None:
    _due(world, 4)
    drain = world.drain(most=2)
    drain.run("s3")
    assert _batch_sizes(world) == (2, 4)
    assert world.due() == []
    for name in ("s0", "s1", "s2", "s3"):
        drain.run(name)
    assert world.measured("refits_coalesced_total") == 4


def test_more_than_a_task_may_do_is_told_to_the_caller(world: TrainerWorld) -> None:
    names = _due(world, 7, answers=1)
    drain = world.drain(most=1)
    assert drain.run()
    assert len(world.due()) == 2
    assert not drain.run()
    assert [world.trained_events(name) for name in names] == [1] * 7


def test_one_session_that_fails_among_eight_fails_alone(
    world: TrainerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = _due(world, 8)
    world.lose("s3", world.answer("s3", 1)[0])
    world.client.lset(keys.events("s5"), 1, "not an event")
    world.answer("s6", 1)

    def refuse_four(*args: object) -> list[object]:
        fitted = fit_together(*args)  # type: ignore[arg-type]
        of_four = [len(one.observations) == 4 for one in args[2]]  # type: ignore[attr-defined]
        error = NumericalError("no fit of four")
        return [error if bad else one for bad, one in zip(of_four, fitted, strict=True)]

    monkeypatch.setattr(refit, "fit_together", refuse_four)
    world.drain().run()

    bad = {"s3": "NotFound", "s5": "DataLoss", "s6": "NumericalError"}
    assert {name for name in names if world.trained_events(name) == 0} == set(bad)
    assert sorted(world.due()) == sorted(bad)
    for name, error in bad.items():
        failure = world.failure(name)
        assert failure is not None
        assert (failure.error, world.stores.due.acquire(name, 1.0) is not None) == (error, True)
    assert world.measured("refits_total", result="failed") == 3
    assert world.measured("refits_total", result="published") == 5


def test_a_damaged_record_of_a_session_keeps_no_other_from_its_refit(world: TrainerWorld) -> None:
    _due(world, 3)
    world.client.set(keys.session("s1"), "not a session")
    world.drain().run()
    assert world.due() == ["s1"]
    assert world.measured("refits_total", result="failed") == 1
    world.drain().run("s1")
    assert world.measured("refits_total", result="failed") == 1, "it rests"


def test_a_prior_that_is_not_there_fails_its_own_sessions_only(world: TrainerWorld) -> None:
    _due(world, 2)
    for name in ("x", "y"):
        world.session(name, prior="nowhere")
        world.answer(name, 1)
    world.drain().run()
    assert sorted(world.due()) == ["x", "y"]
    assert [world.trained_events(name) for name in ("s0", "s1")] == [3, 3]


def test_a_session_whose_lease_was_lost_is_left_to_who_took_it(
    world: TrainerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _due(world, 3)

    def overtaken(*args: object, **kwargs: object) -> object:
        if world.client.delete(keys.lease("s1")):
            assert world.stores.due.acquire("s1", 60.0) is not None
        return fit_together(*args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(refit, "fit_together", overtaken)
        world.drain().run("s0")
    assert world.due() == ["s1"]
    assert [world.trained_events(name) for name in ("s0", "s1", "s2")] == [3, 0, 3]
    assert world.measured("refits_total", result="superseded") == 1


def test_workers_that_drain_at_once_fit_no_session_twice_on_the_same_answers(
    world: TrainerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = _due(world, 24)
    fitted: Counter[tuple[int, int]] = Counter()

    def counting(*args: object, **kwargs: object) -> object:
        fitted.update((one.seed, len(one.observations)) for one in args[2])  # type: ignore[attr-defined]
        return fit_together(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(refit, "fit_together", counting)
    drains = [world.drain(most=3) for _ in range(4)]
    barrier = threading.Barrier(len(drains))

    def work(index: int) -> None:
        barrier.wait()
        for name in names[index:] + names[:index]:
            drains[index].run(name)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(drains))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [world.trained_events(name) for name in names] == [3] * 24
    assert world.due() == []
    assert set(fitted.values()) == {1}
    assert len(fitted) == 24
