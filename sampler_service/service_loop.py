"""The engine's thread: it alone owns the device, admits waiting runs and ticks until it is told to stop."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

import torch

from apa.errors import ApaError, Cancelled, DeadlineExceeded, Internal, Unavailable
from apa.priors.base import Prior
from apa.records.sampling import SamplingConfig
from sampler_service.engine import Progress, tick
from sampler_service.observer import EndReason, EngineObserver
from sampler_service.population import Population
from sampler_service.potential import Potential
from sampler_service.run import Plan, Run, plan_run, start_run
from sampler_service.sampling import draw_seed
from sampler_service.scheduler import Limits, Scheduler, Ticket
from sampler_service.start import Start

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class RunRequest:
    """One run as its submitter asks for it; prior and potential are loaded already.

    Attributes:
        run_id: unique among the runs that wait or run.
        potential: what `as_potential` made of the surrogate; None for the prior itself.
        config: with a seed, or without one for a seed that `Admitted` reports.
        deadline_s: on `time.monotonic`'s clock.
        progress_every: a Progress event every so many steps; 0 for none.
        preview_particles: denoised estimates that each of these carries, on the device.
        start: the items that it begins at; pure noise when None.
    """

    run_id: str
    prior: Prior
    potential: Potential | None
    config: SamplingConfig
    num_particles: int
    tenant: str = "default"
    deadline_s: float | None = None
    progress_every: int = 0
    preview_particles: int = 0
    start: Start | None = None


@dataclass(frozen=True)
class Admitted:
    """The run starts; `config` is complete, seed included."""

    config: SamplingConfig
    queue_s: float


@dataclass(frozen=True)
class Finished:
    population: Population
    queue_s: float
    run_s: float


@dataclass(frozen=True)
class Failed:
    """The run ended without a population: by its own error, or cancelled, too late, or at a stop."""

    error: ApaError


RunEvent = Admitted | Progress | Finished | Failed
"""In order: Admitted, any Progress, then Finished or Failed; Failed may come alone. Nothing follows these."""

OnEvent = Callable[[RunEvent], None]
"""Called on the engine's thread; must return at once. One that raises ends its run."""


@dataclass
class _Job:
    request: RunRequest
    plan: Plan
    on_event: OnEvent
    submitted_s: float
    admitted_s: float = 0.0
    run: Run | None = None
    ended: bool = False

    @property
    def queue_s(self) -> float:
        return self.admitted_s - self.submitted_s

    def reports_at(self, step: int) -> bool:
        """Whether a Progress event is due after so many steps."""
        every = self.request.progress_every
        return every > 0 and step > 0 and step % every == 0

    @property
    def num_previewed(self) -> int:
        """Estimates that the next tick is to hand out."""
        due = self.run is not None and self.reports_at(self.run.step)
        return self.request.preview_particles if due else 0


@dataclass(frozen=True)
class _Call:
    """A computation that is none of a run's steps, waiting for its turn on the device."""

    compute: Callable[[], None]
    fail: Callable[[ApaError], None]
    elements: int


class RunHandle:
    """A submitted run, as its submitter holds it."""

    def __init__(
        self, run_id: str, cancel: Callable[[], None], hand_over: Callable[[str], None] = lambda _tenant: None
    ) -> None:
        self.run_id = run_id
        self._cancel = cancel
        self._hand_over = hand_over

    def hand_over(self, tenant: str) -> None:
        """Lets the run go on with another tenant's share; harmless when it has ended."""
        self._hand_over(tenant)

    def cancel(self) -> None:
        """Ends the run before the next tick with Failed(Cancelled); harmless when it has ended."""
        self._cancel()


class EngineThread:
    """Owns the device. Safe to call from any thread; start it once, stop it once.

    Args:
        device: where particles live.
        weights: share of each tenant; 1 for those not named.
        on_death: called, on the dying thread, when a bug of ours has ended it; nothing computes after that.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        weights: Mapping[str, float] | None = None,
        device: torch.device | str = "cpu",
        observer: EngineObserver | None = None,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self._limits = limits or Limits()
        self._scheduler = Scheduler(self._limits, weights or {})
        self.device = torch.device(device)
        self._observer = observer or EngineObserver()
        self._jobs: dict[str, _Job] = {}
        self._cancelled: set[str] = set()
        self._calls: deque[_Call] = deque()
        self._on_death = on_death
        self._ended = False
        self._died = False
        # One condition guards scheduler, jobs, calls, cancellations and the stop; ticks run outside of it.
        self._changed = threading.Condition()
        self._stop_at_s: float | None = None
        self._thread = threading.Thread(target=self._live, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, request: RunRequest, on_event: OnEvent) -> RunHandle:
        """Lets a run wait for its place.

        Raises:
            InvalidArgument: the request does not fit together, or never fits.
            ResourceExhausted: too many wait; says when to try again.
            DeadlineExceeded: its deadline has passed.
            Unavailable: the engine stops, has stopped, or has died.
        """
        plan = plan_run(
            request.prior, request.potential, request.config, request.num_particles, start=request.start
        )
        now_s = time.monotonic()
        if request.deadline_s is not None and request.deadline_s <= now_s:
            raise DeadlineExceeded("the deadline had passed before the run was submitted")
        ticket = Ticket(
            run_id=request.run_id,
            num_particles=request.num_particles,
            num_steps=request.config.num_steps,
            tenant=request.tenant,
            deadline_s=request.deadline_s,
            elements=math.prod(request.prior.data_shape),
        )
        with self._changed:
            if self._died:
                raise _dead()
            if self._stop_at_s is not None:
                raise _stopping()
            self._scheduler.submit(ticket, now_s)
            job = _Job(request, plan, on_event, now_s)
            self._jobs[request.run_id] = job
            self._changed.notify_all()
        return RunHandle(
            request.run_id, lambda: self._cancel(job), lambda tenant: self._hand_over(job, tenant)
        )

    def call(self, compute: Callable[[], T], elements: int) -> T:
        """Computes something on the engine's thread, between two ticks, and waits for it.

        So only one thread ever speaks to the device. Not for listeners, who are on that thread already.

        Args:
            compute: short, as every run waits for it; see `rows_of`.
            elements: numbers that it computes on.

        Raises:
            Unavailable: the engine has died.
            Exception: whatever `compute` raised.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._died:
                raise _dead()
            alone = self._ended or self._thread.ident is None
            if not alone:
                call = _Call(lambda: _settle(future, compute), future.set_exception, elements)
                self._calls.append(call)
                self._changed.notify_all()
        # Once its thread has ended in order, the device is free for what the last runs still need.
        return compute() if alone else future.result()

    def rows_of(self, elements: int) -> int:
        """How many particles of so many numbers one call should compute on at most."""
        return self._scheduler.rows_of(elements)

    def stop(self, grace_s: float = 30.0) -> None:
        """Runs that wait fail with Unavailable at once, the others after `grace_s`; then the thread ends."""
        with self._changed:
            if self._stop_at_s is None:
                self._stop_at_s = time.monotonic() + grace_s
            self._changed.notify_all()
        # A listener that stops the engine is on the engine's thread, which cannot wait for itself.
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive() and not self._died

    @property
    def died(self) -> bool:
        """Whether a bug of ours has ended the thread."""
        return self._died

    @property
    def num_waiting(self) -> int:
        with self._changed:
            return self._scheduler.num_waiting

    @property
    def num_running(self) -> int:
        with self._changed:
            return self._scheduler.num_running

    def _cancel(self, job: _Job) -> None:
        with self._changed:
            # The id may have been taken again by a later run.
            if self._jobs.get(job.request.run_id) is job:
                self._cancelled.add(job.request.run_id)
                self._changed.notify_all()

    def _hand_over(self, job: _Job, tenant: str) -> None:
        with self._changed:
            if self._jobs.get(job.request.run_id) is job:
                self._scheduler.hand_over(job.request.run_id, tenant)

    def _live(self) -> None:
        try:
            self._loop()
        except BaseException:
            _log.critical("the engine's thread died", exc_info=True)
            self._die()

    def _die(self) -> None:
        """Nobody may wait for a thread that is gone."""
        with self._changed:
            self._died = True
            jobs, calls = list(self._jobs.values()), list(self._calls)
            self._jobs.clear()
            self._calls.clear()
        for call in calls:
            call.fail(_dead())
        for job in jobs:
            self._say_that_it_died(job)
        self._on_death()

    @staticmethod
    def _say_that_it_died(job: _Job) -> None:
        if job.ended:
            return
        job.ended = True
        try:
            job.on_event(Failed(_dead()))
        except Exception:
            _log.warning("a listener failed while the engine died", exc_info=True)

    def _loop(self) -> None:
        while self._wait_for_work():
            self._compute_calls()
            try:
                self._end_those_that_must()
                self._admit()
                self._tick()
            except Exception as error:
                # A bug of ours: end what is under way rather than spin on it, and keep serving.
                self._end_all(Internal(f"the engine failed: {type(error).__name__}"), "failed")

    def _wait_for_work(self) -> bool:
        """Blocks while there is nothing to do; False once the engine has stopped and is empty."""
        with self._changed:
            while not self._jobs and not self._calls and self._stop_at_s is None:
                self._changed.wait()
            self._ended = not self._jobs and not self._calls
            return not self._ended

    def _compute_calls(self) -> None:
        """Those that came first, up to a batch of them; the others after the next tick."""
        left = self._limits.max_batch_elements
        while left > 0:
            with self._changed:
                if not self._calls:
                    return
                call = self._calls.popleft()
            call.compute()
            left -= call.elements

    def _end_those_that_must(self) -> None:
        """Cancelled, too late, or caught by a stop."""
        now_s = time.monotonic()
        with self._changed:
            jobs, cancelled = list(self._jobs.values()), self._cancelled
            self._cancelled, stop_at_s = set(), self._stop_at_s
        for job in jobs:
            deadline_s = job.request.deadline_s
            if job.request.run_id in cancelled:
                self._end(job, Failed(Cancelled("the caller cancelled the run")), "cancelled")
            elif deadline_s is not None and deadline_s <= now_s:
                self._end(job, Failed(DeadlineExceeded("the deadline passed")), "deadline")
            elif stop_at_s is not None and (job.run is None or stop_at_s <= now_s):
                self._end(job, Failed(_stopping()), "unavailable")

    def _admit(self) -> None:
        now_s = time.monotonic()
        with self._changed:
            admission = self._scheduler.admit(now_s)
            started = [self._jobs[run_id] for run_id in admission.started]
            late = [self._jobs[run_id] for run_id in admission.expired]
            counts = self._scheduler.num_running, self._scheduler.num_waiting
        self._observer.on_queue(*counts)
        for job in late:
            self._end(job, Failed(DeadlineExceeded("the deadline passed while the run waited")), "deadline")
        for job in started:
            self._start(job, now_s)

    def _start(self, job: _Job, now_s: float) -> None:
        config = job.request.config
        seed = draw_seed() if config.seed is None else config.seed
        job.admitted_s = now_s
        try:
            job.run = start_run(job.plan, self.device, seed)
        except RuntimeError as error:
            # The device is out of memory: this run ends, those under way go on.
            self._end(job, Failed(Internal(f"the run could not start: {type(error).__name__}")), "failed")
            return
        self._observer.on_admit(job.queue_s)
        self._emit(job, Admitted(config.model_copy(update={"seed": seed}), job.queue_s))

    def _tick(self) -> None:
        jobs, rows = self._next_batch()
        if not jobs:
            return
        runs = [job.run for job in jobs if job.run is not None]
        began_s = time.monotonic()
        outcomes = tick(runs, rows, [job.num_previewed for job in jobs])
        now_s = time.monotonic()
        self._observer.on_tick(len(runs), sum(rows), now_s - began_s)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Population):
                self._observer.on_ess(outcome.ess_history[-1] / job.request.num_particles)
                self._observer.on_clip(outcome.clip_events)
                self._end(job, Finished(outcome, job.queue_s, now_s - job.admitted_s), "finished")
            elif isinstance(outcome, ApaError):
                self._end(job, Failed(outcome), "failed")
            elif outcome is not None:
                self._progress(job, outcome)

    def _next_batch(self) -> tuple[list[_Job], list[int]]:
        """The runs of the next tick, and how many rows of each; 0 for one that only has to finish."""
        with self._changed:
            left = {
                job.request.run_id: job.run.rows_left for job in self._jobs.values() if job.run is not None
            }
            rows = self._scheduler.batch({run_id: count for run_id, count in left.items() if count})
            chosen = [run_id for run_id, count in left.items() if run_id in rows or not count]
            return [self._jobs[run_id] for run_id in chosen], [rows.get(run_id, 0) for run_id in chosen]

    def _progress(self, job: _Job, progress: Progress) -> None:
        if progress.step > 0:
            self._observer.on_ess(progress.ess / job.request.num_particles)
        if progress.resampled:
            self._observer.on_resample()
        if job.reports_at(progress.step):
            self._emit(job, progress)

    def _end_all(self, error: ApaError, reason: EndReason) -> None:
        with self._changed:
            jobs = list(self._jobs.values())
        for job in jobs:
            self._end(job, Failed(error), reason)

    def _end(self, job: _Job, event: Finished | Failed, reason: EndReason) -> None:
        """Frees the place, then says so: whoever hears of the end may submit the next run at once."""
        if job.ended:
            return
        job.ended = True
        with self._changed:
            self._scheduler.release(job.request.run_id)
            self._jobs.pop(job.request.run_id, None)
            self._cancelled.discard(job.request.run_id)
            counts = self._scheduler.num_running, self._scheduler.num_waiting
        self._observer.on_queue(*counts)
        self._observer.on_finish(reason)
        self._emit(job, event)

    def _emit(self, job: _Job, event: RunEvent) -> None:
        try:
            job.on_event(event)
        except Exception:
            # Nobody listens any more; the run's batch mates must not pay for it.
            self._end(job, Failed(Cancelled("the run's listener failed")), "cancelled")


def _stopping() -> Unavailable:
    return Unavailable("the sampler is stopping", retry_after_s=1.0)


def _dead() -> Unavailable:
    return Unavailable("the engine has failed, and the sampler starts again", retry_after_s=1.0)


def _settle(future: Future[T], compute: Callable[[], T]) -> None:
    try:
        future.set_result(compute())
    except BaseException as error:
        future.set_exception(error)
        if not isinstance(error, Exception):
            raise
