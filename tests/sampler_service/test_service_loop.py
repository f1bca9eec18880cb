"""The engine's thread: places, cancellation, deadlines, errors and stopping, seen from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from apa.errors import (
    ApaError,
    Cancelled,
    DeadlineExceeded,
    InvalidArgument,
    ResourceExhausted,
    Unavailable,
)
from apa.records.sampling import SamplingConfig
from sampler_service import sample
from sampler_service.engine import Progress
from sampler_service.observer import EndReason, EngineObserver
from sampler_service.potential import RewardPotential
from sampler_service.preview import Preview, preview_of
from sampler_service.scheduler import Limits
from sampler_service.service_loop import Admitted, EngineThread, Failed, Finished, RunEvent, RunRequest
from tests.sampler_service.problems import MILD, SLOPE, three_modes
from tests.waiting import wait_until

PRIOR = three_modes()
FOREVER = SamplingConfig(num_steps=1000, corrector="fkc", seed=0)


class Gate:
    """A reward that waits until it is opened, so that a test decides how long a tick takes."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, x: Tensor) -> Tensor:
        self.entered.set()
        assert self.opened.wait(timeout=30)
        return x[:, 0]


@dataclass
class Listener:
    """Collects the events of one run."""

    events: list[RunEvent] = field(default_factory=list)

    def __call__(self, event: RunEvent) -> None:
        self.events.append(event)

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], (Finished, Failed))

    @property
    def error(self) -> ApaError:
        wait_until(lambda: self.ended, deadline_s=30, what="the run's end")
        assert isinstance(self.events[-1], Failed)
        return self.events[-1].error

    @property
    def finished(self) -> Finished:
        wait_until(lambda: self.ended, deadline_s=30, what="the run's end")
        assert isinstance(self.events[-1], Finished), self.events[-1]
        return self.events[-1]


@dataclass
class Measured(EngineObserver):
    ends: list[EndReason] = field(default_factory=list)
    ticks: int = 0
    largest_batch: int = 0
    resamplings: int = 0
    clips: int = 0

    def on_tick(self, num_runs: int, num_particles: int, seconds: float) -> None:
        self.ticks += 1
        self.largest_batch = max(self.largest_batch, num_particles)

    def on_resample(self) -> None:
        self.resamplings += 1

    def on_clip(self, count: int) -> None:
        self.clips += count

    def on_finish(self, reason: EndReason) -> None:
        self.ends.append(reason)


@pytest.fixture
def measured() -> Measured:
    return Measured()


@pytest.fixture
def engine(measured: Measured) -> Iterator[EngineThread]:
    thread = EngineThread(Limits(max_particles=100, max_waiting=3), observer=measured)
    thread.start()
    yield thread
    thread.stop(grace_s=0.0)


def _request(
    run_id: str = "run",
    reward: object = MILD,
    config: SamplingConfig = FOREVER,
    num_particles: int = 20,
    deadline_s: float | None = None,
    progress_every: int = 0,
    preview_particles: int = 0,
) -> RunRequest:
    potential = None if reward is None else RewardPotential(reward)  # type: ignore[arg-type]
    return RunRequest(
        run_id=run_id,
        prior=PRIOR,
        potential=potential,
        config=config,
        num_particles=num_particles,
        deadline_s=deadline_s,
        progress_every=progress_every,
        preview_particles=preview_particles,
    )


def test_a_run_is_admitted_reports_progress_and_ends_as_in_process(
    engine: EngineThread, measured: Measured
) -> None:
    config, listener = SamplingConfig(num_steps=10, seed=3), Listener()

    engine.submit(_request(config=config, progress_every=4), listener)

    population = listener.finished.population
    assert torch.equal(population.x, sample(PRIOR, MILD, config, num_particles=20).x)
    assert isinstance(listener.events[0], Admitted)
    assert [event.step for event in listener.events if isinstance(event, Progress)] == [4, 8]
    assert measured.ends == ["finished"]
    assert (engine.num_running, engine.num_waiting) == (0, 0)


def test_previews_come_with_the_progress_that_is_sent_and_with_no_other(
    engine: EngineThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    watched, unwatched = Listener(), Listener()
    config = SamplingConfig(num_steps=10, seed=3)

    def counted(x_0_hat: Tensor, log_weights: Tensor, num: int) -> Preview:
        made.append(num)
        return preview_of(x_0_hat, log_weights, num)

    monkeypatch.setattr("sampler_service.engine.preview_of", counted)
    engine.submit(_request("watched", config=config, progress_every=4, preview_particles=3), watched)
    engine.submit(_request("unwatched", config=config, progress_every=4), unwatched)
    engine.submit(_request("silent", config=config, preview_particles=3), Listener())

    population = watched.finished.population
    previews = [event.preview for event in watched.events if isinstance(event, Progress)]
    assert [len(preview.rows) for preview in previews if preview is not None] == [3, 3]
    assert unwatched.finished
    assert not any(isinstance(event, Progress) and event.preview for event in unwatched.events)
    assert torch.allclose(population.x, sample(PRIOR, MILD, config, num_particles=20).x, atol=1e-5)
    engine.stop()
    assert made == [3, 3]


def test_a_run_without_a_seed_is_told_the_one_it_got(engine: EngineThread) -> None:
    listener = Listener()
    engine.submit(_request(config=SamplingConfig(num_steps=3)), listener)

    population = listener.finished.population

    assert isinstance(listener.events[0], Admitted)
    assert listener.events[0].config.seed == population.seed


def test_many_runs_from_many_threads_all_finish(measured: Measured) -> None:
    engine = EngineThread(Limits(max_particles=100, max_waiting=64), observer=measured)
    engine.start()
    listeners = [Listener() for _ in range(40)]

    def submit(i: int) -> None:
        engine.submit(_request(str(i), SLOPE, SamplingConfig(num_steps=5 + i % 4, seed=i)), listeners[i])

    threads = [threading.Thread(target=submit, args=(i,)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(listener.finished for listener in listeners)
    engine.stop()
    assert measured.ends == ["finished"] * 40


def test_a_cancelled_run_frees_its_place(engine: EngineThread, measured: Measured) -> None:
    listener, next_listener = Listener(), Listener()
    handle = engine.submit(_request(num_particles=100), listener)
    wait_until(lambda: listener.events)
    engine.submit(_request("next", config=SamplingConfig(num_steps=2), num_particles=100), next_listener)
    assert engine.num_waiting == 1

    handle.cancel()

    assert isinstance(listener.error, Cancelled)
    assert next_listener.finished
    handle.cancel()
    assert measured.ends == ["cancelled", "finished"]


def test_a_waiting_run_can_be_cancelled_before_it_starts(engine: EngineThread) -> None:
    gate, waiting = Gate(), Listener()
    engine.submit(_request(reward=gate, num_particles=100), Listener())
    assert gate.entered.wait(timeout=30)
    engine.submit(_request("waiting"), waiting).cancel()
    gate.opened.set()

    assert isinstance(waiting.error, Cancelled)
    assert len(waiting.events) == 1


def test_cancelling_an_old_handle_leaves_a_later_run_of_the_same_id_alone(engine: EngineThread) -> None:
    first, second = Listener(), Listener()
    handle = engine.submit(_request(config=SamplingConfig(num_steps=2)), first)
    assert first.finished
    engine.submit(_request(config=SamplingConfig(num_steps=20)), second)

    handle.cancel()

    assert second.finished


def test_a_run_past_its_deadline_ends_and_one_that_waited_too_long_never_starts(engine: EngineThread) -> None:
    gate, running, waiting = Gate(), Listener(), Listener()
    soon = time.monotonic() + 1.0
    engine.submit(_request("running", gate, num_particles=100, deadline_s=soon), running)
    assert gate.entered.wait(timeout=30)
    engine.submit(_request("waiting", deadline_s=soon), waiting)
    wait_until(lambda: time.monotonic() > soon)
    gate.opened.set()

    assert isinstance(running.error, DeadlineExceeded)
    assert isinstance(waiting.error, DeadlineExceeded)
    assert len(waiting.events) == 1


def test_a_deadline_in_the_past_is_refused_at_once(engine: EngineThread) -> None:
    with pytest.raises(DeadlineExceeded):
        engine.submit(_request(deadline_s=time.monotonic() - 1.0), Listener())


def test_too_many_waiting_runs_are_refused_with_a_delay(engine: EngineThread) -> None:
    gate = Gate()
    engine.submit(_request("first", gate, num_particles=100), Listener())
    assert gate.entered.wait(timeout=30)
    for i in range(3):
        engine.submit(_request(str(i)), Listener())

    with pytest.raises(ResourceExhausted) as caught:
        engine.submit(_request("one too many"), Listener())

    gate.opened.set()
    assert caught.value.retry_after_s


def test_what_does_not_fit_together_is_refused_at_submit(engine: EngineThread) -> None:
    config = SamplingConfig(corrector="clipped", integrator="ancestral")

    with pytest.raises(InvalidArgument):
        engine.submit(_request(config=config), Listener())


def test_a_failing_reward_ends_its_own_run_only(engine: EngineThread, measured: Measured) -> None:
    good, bad = Listener(), Listener()
    config = SamplingConfig(num_steps=30, seed=1)
    engine.submit(_request("good", config=config), good)
    engine.submit(_request("bad", lambda x: x.no_such_thing), bad)

    assert isinstance(bad.error, InvalidArgument)
    expected = sample(PRIOR, MILD, config, num_particles=20)
    assert torch.allclose(good.finished.population.x, expected.x, atol=1e-5)
    assert sorted(measured.ends) == ["failed", "finished"]


def test_a_listener_that_raises_loses_its_run_and_no_other(engine: EngineThread, measured: Measured) -> None:
    good = Listener()

    def broken(event: RunEvent) -> None:
        raise ConnectionError

    engine.submit(_request("broken"), broken)
    engine.submit(_request("good", config=SamplingConfig(num_steps=5)), good)

    assert good.finished
    wait_until(lambda: sorted(measured.ends) == ["cancelled", "finished"])
    assert engine.num_running == 0


def test_a_stop_lets_runs_finish_refuses_new_ones_and_sends_the_waiting_away(engine: EngineThread) -> None:
    gate, running, waiting = Gate(), Listener(), Listener()
    engine.submit(_request("running", gate, SamplingConfig(num_steps=5), num_particles=100), running)
    assert gate.entered.wait(timeout=30)
    engine.submit(_request("waiting"), waiting)
    stopper = threading.Thread(target=engine.stop, args=(30.0,))
    stopper.start()
    wait_until(lambda: _refuses(engine))
    gate.opened.set()
    stopper.join(timeout=30)

    assert not stopper.is_alive()
    assert isinstance(waiting.error, Unavailable)
    assert running.finished


def _refuses(engine: EngineThread) -> bool:
    try:
        handle = engine.submit(_request(f"probe {time.monotonic()}"), Listener())
    except Unavailable:
        return True
    handle.cancel()
    return False


def test_a_stop_without_grace_ends_what_is_under_way() -> None:
    engine, listener = EngineThread(), Listener()
    engine.start()
    engine.submit(_request(), listener)
    wait_until(lambda: listener.events)

    engine.stop(grace_s=0.0)

    assert isinstance(listener.error, Unavailable)


def test_an_engine_that_never_started_stops_at_once() -> None:
    engine = EngineThread()
    engine.stop()

    assert not engine.is_alive


def test_the_observer_hears_of_resamplings_and_clips(engine: EngineThread, measured: Measured) -> None:
    resampled, clipped = Listener(), Listener()
    strong = SamplingConfig(num_steps=20, beta=10.0, seed=0)
    engine.submit(_request("strong", SLOPE, strong), resampled)
    engine.submit(_request("clipped", MILD, strong.model_copy(update={"corrector": "clipped"})), clipped)

    assert resampled.finished.population.num_resamplings == measured.resamplings > 0
    assert clipped.finished.population.clip_events == measured.clips > 0
    assert measured.ticks >= 21


def test_a_small_run_steps_in_every_batch_beside_one_that_takes_many_for_a_step(measured: Measured) -> None:
    engine = EngineThread(Limits(max_particles=2000, max_batch_particles=50), observer=measured)
    large, small = Listener(), Listener()
    config = SamplingConfig(num_steps=10, seed=1)
    engine.submit(_request("large", config=config, num_particles=900, progress_every=1), large)
    steps_of_large: list[int] = []

    def listen(event: RunEvent) -> None:
        # Counted on the engine's thread: this one may not be given a core before the large run has ended too.
        if isinstance(event, Finished):
            steps_of_large.append(sum(isinstance(other, Progress) for other in large.events))
        small(event)

    engine.submit(_request("small", config=config, num_particles=20, progress_every=1), listen)

    engine.start()

    expected = sample(PRIOR, MILD, config, num_particles=20)
    assert torch.allclose(small.finished.population.x, expected.x, atol=1e-5)
    assert steps_of_large[0] <= 1, "the small run waited for whole steps of the large one"
    assert torch.allclose(
        large.finished.population.x, sample(PRIOR, MILD, config, num_particles=900).x, atol=1e-4
    )
    assert measured.largest_batch <= 50
    engine.stop()


def test_a_call_computes_on_the_engines_thread_between_ticks(engine: EngineThread) -> None:
    gate, listener = Gate(), Listener()
    engine.submit(_request(reward=gate), listener)
    assert gate.entered.wait(timeout=30)
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(engine.call(_name_of_this_thread, 1)))
    asking.start()
    assert not answers
    gate.opened.set()
    asking.join(timeout=30)

    assert answers == ["engine"]
    with pytest.raises(ZeroDivisionError):
        engine.call(lambda: 1 // 0, 1)
    assert not listener.ended


def _name_of_this_thread() -> str:
    return threading.current_thread().name


def test_what_the_last_runs_still_need_is_computed_after_a_stop(engine: EngineThread) -> None:
    engine.stop()

    assert engine.call(_name_of_this_thread, 1) == threading.current_thread().name
    assert not engine.died


class Dying:
    """A reward that ends the engine's thread once its gate is opened."""

    def __init__(self) -> None:
        self.gate = Gate()

    def __call__(self, x: Tensor) -> Tensor:
        self.gate(x)
        raise SystemExit


def test_a_dead_engine_fails_whoever_waits_and_says_so() -> None:
    told = threading.Event()
    engine = EngineThread(Limits(max_particles=100), on_death=told.set)
    dying, running, waiting, asked = Dying(), Listener(), Listener(), []
    engine.submit(_request("running", dying, num_particles=100), running)
    engine.submit(_request("waiting"), waiting)
    engine.start()
    assert dying.gate.entered.wait(timeout=30)
    assert engine.is_alive

    def ask() -> None:
        try:
            engine.call(_name_of_this_thread, 1)
        except Unavailable as error:
            asked.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    dying.gate.opened.set()
    asking.join(timeout=30)

    assert isinstance(running.error, Unavailable)
    assert isinstance(waiting.error, Unavailable)
    assert len(asked) == 1
    assert told.wait(timeout=30)
    assert engine.died
    assert not engine.is_alive
    with pytest.raises(Unavailable):
        engine.submit(_request("late"), Listener())
    with pytest.raises(Unavailable):
        engine.call(_name_of_this_thread, 1)
    engine.stop()
