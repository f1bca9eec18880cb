"""One refit of a batch, from leases to published surrogates that know every answer so far.

    leases -> events, particles -> observations -> fit -> gate -> publish -> settle

Each step takes all sessions of the batch together; what goes wrong with one is kept as its failure, and the
others go on. Whatever goes wrong here leaves a session due.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from apa.errors import ApaError, DataLoss, Internal, NotFound, Unavailable
from apa.metrics import TrainerMetrics
from apa.priors.base import Prior
from apa.records.feedback import Event
from apa.records.particle import Particle
from apa.records.session import RefitFailure, Session, SurrogateVersion
from apa.store.due import Lease
from apa.surrogates import Surrogate, load, version_of
from trainer_worker import gate
from trainer_worker.dataset import dataset, particle_ids
from trainer_worker.fit import FeatureCache
from trainer_worker.fit.together import Problem, encoded, fit_together
from trainer_worker.outcomes import each
from trainer_worker.shelf import PriorShelf, Shelved
from trainer_worker.stores import Stores

logger = logging.getLogger(__name__)

USE_FEATURES = {"linear", "gp"}
"""Families that are fitted on the prior's features."""
MAX_MESSAGE = 500
"""Characters of an error that a session keeps."""

Result = Literal["published", "superseded", "unchanged"]
T = TypeVar("T")


@dataclass(frozen=True)
class Tools:
    """What a refit works with; all of it may be shared between threads.

    Attributes:
        lease_s: how long a refit has its sessions to itself, and how long one rests that failed.
    """

    stores: Stores
    shelf: PriorShelf
    cache: FeatureCache
    metrics: TrainerMetrics
    lease_s: float


@dataclass(frozen=True)
class Case:
    """A session of the batch, the right to refit it, and what it is refitted on."""

    session: Session
    lease: Lease
    events: Sequence[Event]
    current: SurrogateVersion | None

    @property
    def session_id(self) -> str:
        return self.session.session_id

    @property
    def particle_ids(self) -> list[str]:
        return particle_ids([event.feedback for event in self.events])

    def version(self, blob: bytes, now: float) -> SurrogateVersion:
        """What an artifact fitted on these events is published as; now: Unix seconds."""
        return SurrogateVersion(
            version=version_of(blob),
            family=self.session.config.surrogate,
            trained_events=len(self.events),
            published_at=now,
            newest_answer_at=max(event.recorded_at for event in self.events),
        )


def refit(tools: Tools, taken: Sequence[tuple[Session, Lease]]) -> None:
    """Bring the surrogates of sessions of one prior and family up to date.

    Answers that arrive during the refit leave their session due.

    Raises:
        Unavailable: the store is away; the leases are given back where that is possible.
    """
    batch = _Batch(tools, taken)
    try:
        batch.run()
    except Unavailable:
        batch.release()
        raise
    except Exception as error:
        batch.fail_open(error)


class _Batch:
    """The sessions of one refit, and which of them are still to be settled."""

    def __init__(self, tools: Tools, taken: Sequence[tuple[Session, Lease]]) -> None:
        self._tools = tools
        self._stores = tools.stores
        self._metrics = tools.metrics
        self._config = taken[0][0].config
        self._taken = taken
        self._open = {lease.session_id: lease for _, lease in taken}
        self._begun = time.monotonic()

    def run(self) -> None:
        self._metrics.refit_batch_sessions.observe(len(self._taken))
        cases = self._read()
        shelved = self._tools.shelf.get(self._config.prior)
        cases, known = self._sound(cases, each(cases, lambda case: self._is_known(case, shelved.prior)))
        covered = [case for case, all_known in zip(cases, known, strict=True) if all_known]
        self._metrics.refits_coalesced.inc(len(covered))
        self._settle([(case, "unchanged") for case in covered])
        self._fit([case for case, all_known in zip(cases, known, strict=True) if not all_known], shelved)

    def release(self) -> None:
        """Give back what is still held."""
        self._metrics.refits.labels(result="unavailable").inc(len(self._open))
        for lease in self._open.values():
            try:
                self._stores.due.release(lease)
            except Unavailable:
                logger.warning("the lease of session %s is left to expire", lease.session_id)
                return

    def fail_open(self, error: Exception) -> None:
        """Keep an error of the whole batch as that of each session that is not settled."""
        for session_id in list(self._open):
            self._fail(session_id, error, num_events=None)

    def _read(self) -> list[Case]:
        """Events and current surrogates, in two round trips."""
        names = [session.session_id for session, _ in self._taken]
        logs = self._stores.ledger.logs(names)
        currents = self._stores.surrogates.current_of(names)
        cases = []
        for (session, lease), log, current in zip(self._taken, logs, currents, strict=True):
            if isinstance(log, ApaError):
                self._fail(session.session_id, log, num_events=None)
            elif isinstance(current, ApaError):
                self._fail(session.session_id, current, num_events=len(log))
            else:
                cases.append(Case(session, lease, log, current))
        return cases

    def _fit(self, cases: list[Case], shelved: Shelved) -> None:
        """What fails on the way is left out of what follows."""
        prior, transport = shelved
        family = self._config.surrogate
        particles = self._stores.slates.particles_of([(case.session_id, case.particle_ids) for case in cases])
        cases, shown = self._sound(cases, particles)
        pairs = list(zip(cases, shown, strict=True))
        cases, problems = self._sound(cases, each(pairs, lambda pair: _problem(*pair, prior.data_shape)))
        if family in USE_FEATURES and prior.feature_dim:
            problems = encoded(prior, problems, self._tools.cache, with_noise=transport is None)
        fitted = zip(
            problems, fit_together(family, prior, problems, self._tools.cache, transport), strict=True
        )
        cases, blobs = self._sound(cases, each(list(fitted), lambda pair: _checked(*pair, prior)))
        self._publish(cases, blobs)

    def _publish(self, cases: list[Case], blobs: list[bytes]) -> None:
        now = time.time()
        fitted = [
            (case.lease, case.version(blob, now), blob) for case, blob in zip(cases, blobs, strict=True)
        ]
        cases, published = self._sound(cases, self._stores.surrogates.publish_many(fitted))
        for _ in cases:
            self._metrics.refit_duration_seconds.observe(time.monotonic() - self._begun)
        results: list[Result] = ["published" if done else "superseded" for done in published]
        self._settle(list(zip(cases, results, strict=True)))

    def _settle(self, done: list[tuple[Case, Result]]) -> None:
        self._stores.due.settle_many([(case.lease, len(case.events)) for case, _ in done])
        for case, result in done:
            del self._open[case.session_id]
            self._metrics.refits.labels(result=result).inc()

    def _is_known(self, case: Case, prior: Prior) -> bool:
        """Whether the current surrogate knows every answer, and speaks of this prior's features."""
        trained = 0 if case.current is None else case.current.trained_events
        if trained != len(case.events):
            return False
        return case.current is None or self._speaks_of(case.session_id, case.current, prior)

    def _speaks_of(self, session_id: str, current: SurrogateVersion, prior: Prior) -> bool:
        try:
            blob = self._stores.surrogates.blob(session_id, current.version)
            return load(blob, current.version).prior_hash in ("", prior.content_hash)
        except DataLoss as error:
            logger.warning("session %s is refitted: %s", session_id, error)
            return False

    def _sound(self, cases: list[Case], found: Sequence[T | Exception]) -> tuple[list[Case], list[T]]:
        """The cases without those that failed, each with what was found."""
        sound, kept = [], []
        for case, outcome in zip(cases, found, strict=True):
            if isinstance(outcome, Exception):
                self._fail(case.session_id, outcome, len(case.events))
            else:
                sound.append(case)
                kept.append(outcome)
        return sound, kept

    def _fail(self, session_id: str, error: Exception, num_events: int | None) -> None:
        if isinstance(error, Unavailable):
            raise error
        keep_failure(self._tools, self._open.pop(session_id), error, num_events)


def keep_failure(tools: Tools, lease: Lease, error: Exception, num_events: int | None) -> None:
    """End a lease, and tell who waits for the refit why there is none: nobody, once its session is deleted.

    Args:
        num_events: that it was to be fitted on; None when they could not be read.
    """
    if isinstance(error, NotFound) and _is_gone(tools, lease.session_id):
        tools.metrics.refits.labels(result="superseded").inc()
        return
    tools.metrics.refits.labels(result="failed").inc()
    _report(lease.session_id, error)
    try:
        if num_events is None:
            num_events = tools.stores.sessions.ledger(lease.session_id).num_events
        tools.stores.due.fail(lease, _failure(error, num_events, time.time()), tools.lease_s)
    except ApaError as lost:
        logger.warning("why session %s was not refitted is not kept: %s", lease.session_id, lost)


def _is_gone(tools: Tools, session_id: str) -> bool:
    try:
        tools.stores.sessions.get(session_id)
    except NotFound:
        return True
    except ApaError:
        return False
    return False


def _problem(case: Case, particles: Sequence[Particle], data_shape: tuple[int, ...]) -> Problem:
    answers = [event.feedback for event in case.events]
    observations = dataset(answers, particles, data_shape, case.session.config)
    return Problem(observations, _seed_of(case.session_id))


def _checked(problem: Problem, fitted: Surrogate | Exception, prior: Prior) -> bytes:
    """The artifact, once it has passed the gate."""
    if isinstance(fitted, Exception):
        raise fitted
    blob = fitted.to_bytes()
    features = None if problem.features is None else problem.features.clean
    gate.check(blob, prior, problem.observations, features)
    return blob


def _seed_of(session_id: str) -> int:
    """The same session always fits with the same seed."""
    return zlib.crc32(session_id.encode())


def _failure(error: Exception, num_events: int, now: float) -> RefitFailure:
    known = isinstance(error, ApaError)
    return RefitFailure(
        error=type(error).__name__ if known else Internal.__name__,
        # What is no error of ours may say anything, and goes to callers.
        message=str(error)[:MAX_MESSAGE] if known else "a bug of the trainer; its log says which",
        num_events=num_events,
        failed_at=now,
    )


def _report(session_id: str, error: Exception) -> None:
    if isinstance(error, ApaError):
        logger.error("session %s was not refitted: %s: %s", session_id, type(error).__name__, error)
    else:
        logger.error("session %s was not refitted", session_id, exc_info=error)
