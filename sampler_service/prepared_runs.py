"""Runs made ahead: when a session's surrogate is published, the run that its next call would start."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace

from apa.errors import ApaError, Cancelled
from apa.records.sampling import SamplingConfig, SamplingOverrides
from sampler_service.calls import Job, SampleCall
from sampler_service.engine import Progress
from sampler_service.potential import as_potential
from sampler_service.preparing import Preparing
from sampler_service.routing import Routed, Routing
from sampler_service.service_loop import EngineThread, Failed, Finished, RunEvent, RunHandle, RunRequest
from sampler_service.shelf_candidates import ShelfCandidates

_log = logging.getLogger(__name__)

TENANT = "(prepared runs)"
SHARE = 0.1
"""Of the device, beside a tenant with 1, until a call joins the run."""
MAX_REMEMBERED = 10_000
"""Sessions whose last slate this process served."""

OnEnd = Callable[[str, int], None]
"""(outcome, denoiser evaluations wasted)."""


@dataclass(eq=False)
class PreparedRun:
    """One run made ahead, under way or done.

    Attributes:
        job: what it was made for, its seed drawn.
        result: of the run. Never cancelled from outside: the engine's thread sets it.
        steps: made so far.
    """

    job: Job
    routed: Routed
    began_s: float
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    result: Future[Finished] = field(default_factory=Future)
    handle: RunHandle | None = None
    steps: int = 0

    def __post_init__(self) -> None:
        # From here on, a caller that stops waiting cannot cancel it.
        self.result.set_running_or_notify_cancel()

    @property
    def num_bytes(self) -> int:
        """Of its particles, in float32."""
        size = 4 * self.job.num_particles
        for extent in self.job.prior.data_shape:
            size *= extent
        return size

    @property
    def evaluations(self) -> int:
        """Particles that the denoiser was asked about so far; for a run under way, one for each step."""
        before = self.routed.denoiser_evaluations
        if self.result.done() and self.result.exception() is None:
            return before + self.result.result().population.denoiser_evaluations
        return before + self.steps * self.job.num_particles

    def routed_for(self, job: Job) -> Routed:
        """Its route for a call that it fits: a ranked catalogue is ranked within the call's own masks."""
        shelf = _shelf_of(self.routed)
        if self.routed.ranked is None or shelf is None:
            return self.routed
        candidates = replace(shelf, masks=job.call.masks)
        return replace(self.routed, ranked=replace(self.routed.ranked, candidates=candidates))

    def cancel(self) -> None:
        """Harmless when it has ended."""
        if self.handle is not None:
            self.handle.cancel()

    def on_event(self, event: RunEvent) -> None:
        """On the engine's thread."""
        if isinstance(event, Progress):
            self.steps = event.step
        elif isinstance(event, Finished):
            self.result.set_result(event)
        elif isinstance(event, Failed):
            self.result.set_exception(event.error)


def fits(prepared: PreparedRun, asked: Job) -> bool:
    """Whether a call resolves to what was prepared, but for a seed that it does not name."""
    call, shelf = asked.call, _shelf_of(prepared.routed)
    if call.sampling.seed is not None or call.progress_every or call.preview_particles:
        return False
    if shelf is not None and (call.include_particles or shelf.catalogue is not asked.catalogue):
        return False
    return _target(prepared.job) == _target(asked)


def _shelf_of(routed: Routed) -> ShelfCandidates | None:
    """The catalogue that a ranked slate is chosen among."""
    candidates = None if routed.ranked is None else routed.ranked.candidates
    return candidates if isinstance(candidates, ShelfCandidates) else None


def _target(job: Job) -> tuple[str, str, str, SamplingConfig, int]:
    session_id = "" if job.session is None else job.session.session_id
    config = job.config.model_copy(update={"seed": None})
    return (session_id, job.surrogate_version, job.prior.content_hash, config, job.num_particles)


class PreparedRuns:
    """At most one run for each session that this process served lately; safe to use from several threads.

    Args:
        executor: for what blocks when a publication is heard of.
        on_end: told once of each run, when it is taken or dropped.
    """

    def __init__(
        self,
        preparing: Preparing,
        routing: Routing,
        engine: EngineThread,
        executor: Executor,
        on_end: OnEnd,
    ) -> None:
        self._preparing = preparing
        self._routing = routing
        self._engine = engine
        self._executor = executor
        self._on_end = on_end
        self._settings = preparing.settings
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, PreparedRun] = OrderedDict()
        self._served_s: OrderedDict[str, float] = OrderedDict()
        self._closed = False

    def served(self, session_id: str) -> None:
        """A slate of this session was stored: its next one is prepared here."""
        if not self._settings.prepare:
            return
        with self._lock:
            self._served_s[session_id] = time.monotonic()
            self._served_s.move_to_end(session_id)
            while len(self._served_s) > MAX_REMEMBERED:
                self._served_s.popitem(last=False)

    def published(self, session_id: str) -> None:
        """The session's surrogate has moved. Returns at once."""
        with self._lock:
            served_s = self._served_s.get(session_id)
            lately = served_s is not None and self._is_fresh(served_s)
            if not self._closed and lately:
                self._executor.submit(self._prepare_or_say, session_id)

    @property
    def num_kept(self) -> int:
        """Runs under way or done that nobody has taken."""
        with self._lock:
            return len(self._kept)

    def take(self, job: Job) -> PreparedRun | None:
        """The session's prepared run where it is what the call resolves to; nobody gets it again."""
        if job.session is None:
            return None
        with self._lock:
            run = self._kept.get(job.session.session_id)
            if run is None:
                return None
            outcome = self._outcome(run, job)
            del self._kept[job.session.session_id]
        if outcome not in ("hit", "joined"):
            self._end(run, outcome)
            return None
        if run.handle is not None:
            run.handle.hand_over(job.session.tenant)
        self._on_end(outcome, 0)
        return run

    def sweep(self) -> None:
        """Drops what is too old."""
        with self._lock:
            old = [key for key, run in self._kept.items() if not self._is_fresh(run.began_s)]
            dropped = [self._kept.pop(key) for key in old]
        for run in dropped:
            self._end(run, "expired")

    def close(self) -> None:
        """Nothing more is prepared; runs under way are cancelled."""
        with self._lock:
            self._closed = True
            dropped = list(self._kept.values())
            self._kept.clear()
        for run in dropped:
            self._end(run, "evicted")

    def _outcome(self, run: PreparedRun, job: Job) -> str:
        if not self._is_fresh(run.began_s):
            return "expired"
        if run.job.surrogate_version != job.surrogate_version:
            return "superseded"
        if not fits(run, job):
            return "mismatched"
        if not run.result.done():
            return "joined"
        return "hit" if run.result.exception() is None else "failed"

    def _is_fresh(self, since_s: float) -> bool:
        return time.monotonic() - since_s <= self._settings.prepared_lifetime_s

    def _prepare_or_say(self, session_id: str) -> None:
        try:
            self._prepare(session_id)
        except ApaError as error:
            _log.info("the next run of session %s is not prepared: %s", session_id, error)
        except Exception:
            _log.exception("the next run of session %s is not prepared", session_id)

    def _prepare(self, session_id: str) -> None:
        with self._lock:
            before = self._kept.pop(session_id, None)
        if before is not None:
            self._end(before, "superseded")
        job = self._preparing.ahead(next_call(session_id))
        if job is None:
            return
        known = self._routing.at_once(job)
        run = PreparedRun(job, self._routing.of(job) if known is None else known, time.monotonic())
        if run.num_bytes > self._settings.prepared_bytes:
            return
        with self._lock:
            if self._closed:
                raise Cancelled("runs are no longer prepared")
            dropped = self._started(run, session_id)
        for other, outcome in dropped:
            self._end(other, outcome)

    def _started(self, run: PreparedRun, session_id: str) -> list[tuple[PreparedRun, str]]:
        """Starts and keeps a run; those that have to go for it, and why."""
        if run.routed.ranked is None:
            run.handle = self._engine.submit(_request(run), run.on_event)
        else:
            spent_s = time.monotonic() - run.began_s
            run.result.set_result(Finished(run.routed.ranked.population, 0.0, spent_s))
        before = self._kept.pop(session_id, None)
        dropped = [] if before is None else [(before, "superseded")]
        self._kept[session_id] = run
        size = sum(kept.num_bytes for kept in self._kept.values())
        while len(self._kept) > self._settings.prepared_runs or size > self._settings.prepared_bytes:
            _, oldest = self._kept.popitem(last=False)
            size -= oldest.num_bytes
            dropped.append((oldest, "evicted"))
        return dropped

    def _end(self, run: PreparedRun, outcome: str) -> None:
        run.cancel()
        self._on_end(outcome, run.evaluations)


def next_call(session_id: str) -> SampleCall:
    """What a user asks who leaves everything to the session."""
    return SampleCall(
        request_id=uuid.uuid4().hex,
        session_id=session_id,
        prior="",
        num_particles=0,
        sampling=SamplingOverrides(),
        include_particles=False,
        progress_every=0,
        tenant="default",
    )


def _request(run: PreparedRun) -> RunRequest:
    return RunRequest(
        run_id=run.run_id,
        prior=run.job.prior,
        potential=as_potential(run.job.surrogate),
        config=run.routed.config,
        num_particles=run.job.num_particles,
        tenant=TENANT,
        progress_every=1,
        start=run.routed.start,
    )
