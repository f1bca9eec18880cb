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
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import torch

from apa.errors import ApaError, Internal, NotFound, Unavailable
from apa.metrics import TrainerMetrics
from apa.priors.base import Prior
from apa.records.feedback import Event, Feedback
from apa.records.particle import Particle
from apa.records.session import RefitFailure, RefitQuality, Session, SurrogateVersion
from apa.store.cohorts import Membership
from apa.store.due import Lease
from apa.surrogates import Surrogate, load, version_of
from trainer_worker import gate
from trainer_worker.cohorts import Cohorts
from trainer_worker.dataset import dataset, particle_ids
from trainer_worker.fit import FeatureCache, WarmStart
from trainer_worker.fit.together import Problem, encoded, fit_together, reads_features
from trainer_worker.hindsight import Past, qualities
from trainer_worker.observations import Observations
from trainer_worker.outcomes import each
from trainer_worker.shelf import PriorShelf, Shelved
from trainer_worker.stores import Stores

logger = logging.getLogger(__name__)

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
    cohorts: Cohorts = field(default_factory=Cohorts)


@dataclass(frozen=True)
class Case:
    """A session of the batch, the right to refit it, and what it is refitted on.

    Attributes:
        current: what is published; None before the first.
        rival: the surrogate of that; None where it is damaged or of another version of the prior.
        quality: how well it had foreseen the answers since; None where nothing is published.
    """

    session: Session
    lease: Lease
    events: Sequence[Event]
    current: SurrogateVersion | None
    rival: Surrogate | None = None
    quality: RefitQuality | None = None

    @property
    def session_id(self) -> str:
        return self.session.session_id

    @property
    def previous(self) -> Surrogate | None:
        """What goes on training; None where a network begins anew, on all answers."""
        return self.rival if self.session.config.refit_on == "round" else None

    @property
    def answers(self) -> list[Feedback]:
        """What is learnt from: all answers, or those that `previous` has not seen."""
        left_out = 0 if self.previous is None else self.num_trained
        return [event.feedback for event in self.events[left_out:]]

    @property
    def num_seen(self) -> int:
        """How many of `answers`, from the first on, the published surrogate has learnt from."""
        return self.num_trained if self.previous is None else 0

    @property
    def num_trained(self) -> int:
        """Events that the published surrogate has learnt from."""
        return 0 if self.current is None else self.current.trained_events

    @property
    def is_covered(self) -> bool:
        """Whether there is nothing to learn."""
        if self.begins:
            return False
        return self.num_trained == len(self.events) and (self.current is None or self.rival is not None)

    @property
    def begins(self) -> bool:
        """Whether nothing was answered or published yet, and a cohort may steer the first slate."""
        return bool(self.session.config.cohort) and not self.events and self.rival is None

    def rival_on(self, observations: Observations) -> gate.Rival | None:
        # What a cohort likes is in no user's own units.
        if self.rival is None or self.num_trained == 0:
            return None
        names = particle_ids(self.answers)
        new = {
            name for event in self.events[self.num_trained :] for name in event.feedback.answer.particle_ids
        }
        fresh = [any(names[row] in new for row in rows) for rows in observations.rows]
        return gate.Rival(self.rival, torch.tensor(fresh))

    def version(self, blob: bytes, now: float) -> SurrogateVersion:
        """What an artifact fitted on these events is published as; now: Unix seconds."""
        return SurrogateVersion(
            version=version_of(blob),
            family=self.session.config.surrogate,
            trained_events=len(self.events),
            published_at=now,
            newest_answer_at=max((event.recorded_at for event in self.events), default=0.0),
            quality=self.quality,
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
        cases = self._with_rivals(cases, shelved.prior)
        covered = [case for case in cases if case.is_covered]
        self._metrics.refits_coalesced.inc(len(covered))
        self._settle([(case, "unchanged") for case in covered])
        open_cases = [case for case in cases if not case.is_covered]
        members = [case.session for case in open_cases if case.session.config.cohort]
        starts = self._tools.cohorts.starts(members, shelved, self._stores.cohorts.shares)
        self._begin([case for case in open_cases if case.begins], shelved, starts)
        self._fit([case for case in open_cases if not case.begins], shelved, starts)

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

    def _begin(self, cases: list[Case], shelved: Shelved, starts: dict[str, WarmStart | None]) -> None:
        """What the cohort likes steers the first slates; where nobody has taught it, nothing does."""
        kept: list[Case] = []
        blobs: list[bytes] = []
        for case in cases:
            start = starts[case.session_id]
            if start is None and case.current is not None:
                # Published on another version of the prior: the sampler waits for one of this.
                start = self._tools.cohorts.nobody(shelved)
            if start is not None:
                kept.append(case)
                blobs.append(start.before_answers(case.session.config.feedback_kind).to_bytes())
        begun = {case.session_id for case in kept}
        self._settle([(case, "unchanged") for case in cases if case.session_id not in begun])
        self._publish(kept, blobs, {})

    def _fit(self, cases: list[Case], shelved: Shelved, starts: dict[str, WarmStart | None]) -> None:
        """What fails on the way is left out of what follows."""
        prior, transport = shelved
        family = self._config.surrogate
        named = [(case.session_id, particle_ids(case.answers)) for case in cases]
        particles = self._stores.slates.particles_of(named)
        cases, shown = self._sound(cases, particles)
        pairs = list(zip(cases, shown, strict=True))
        cases, problems = self._sound(cases, each(pairs, lambda pair: _problem(*pair, prior.data_shape)))
        if reads_features(family, prior, transport):
            problems = encoded(prior, problems, self._tools.cache, with_noise=transport is None)
        problems = [
            replace(problem, warm=starts.get(case.session_id))
            for case, problem in zip(cases, problems, strict=True)
        ]
        cases = self._looked_back(cases, problems, prior)
        fitted = fit_together(family, prior, problems, self._tools.cache, transport)
        given = list(zip(cases, problems, fitted, strict=True))
        learnt_from = {case.session_id: problem for case, problem in zip(cases, problems, strict=True)}
        cases, blobs = self._sound(cases, each(given, lambda one: _checked(prior, *one)))
        self._publish(cases, blobs, self._shares(cases, learnt_from, shelved))

    def _shares(
        self, cases: list[Case], problems: dict[str, Problem], shelved: Shelved
    ) -> dict[str, Membership]:
        """What members of cohorts teach them; who cannot be summarised teaches what they taught before."""
        found = {}
        for case in (case for case in cases if case.session.config.cohort):
            problem = problems[case.session_id]
            encode = problem.encode(self._tools.cache)
            try:
                found[case.session_id] = self._tools.cohorts.membership(
                    case.session, shelved, problem.observations, problem.seed, encode
                )
            except ApaError as error:
                logger.warning("session %s does not teach its cohort: %s", case.session_id, error)
        return found

    def _looked_back(self, cases: list[Case], problems: Sequence[Problem], prior: Prior) -> list[Case]:
        """The cases with the quality of their refits."""
        pasts = [
            Past(case.session_id, case.current, case.rival, case.answers, case.num_seen, problem)
            for case, problem in zip(cases, problems, strict=True)
            if case.current is not None and case.num_trained > 0
        ]
        found = iter(qualities(self._stores.surrogates, prior, pasts))
        return [case if case.num_trained == 0 else replace(case, quality=next(found)) for case in cases]

    def _publish(self, cases: list[Case], blobs: list[bytes], shares: dict[str, Membership]) -> None:
        now = time.time()
        fitted = [
            (case.lease, case.version(blob, now), blob) for case, blob in zip(cases, blobs, strict=True)
        ]
        cases, published = self._sound(cases, self._stores.surrogates.publish_many(fitted, shares))
        for case in cases:
            self._metrics.refit_duration_seconds.observe(time.monotonic() - self._begun)
            self._metrics.observe_quality(case.quality)
        results: list[Result] = ["published" if done else "superseded" for done in published]
        self._settle(list(zip(cases, results, strict=True)))

    def _settle(self, done: list[tuple[Case, Result]]) -> None:
        # Counted first: whoever sees that nothing is due any more finds it counted.
        for _, result in done:
            self._metrics.refits.labels(result=result).inc()
        self._stores.due.settle_many([(case.lease, len(case.events)) for case, _ in done])
        for case, _ in done:
            del self._open[case.session_id]

    def _with_rivals(self, cases: list[Case], prior: Prior) -> list[Case]:
        """The cases, each with its published surrogate where that can be read and speaks of this prior."""
        published = [(case.session_id, case.current.version) for case in cases if case.current is not None]
        blobs = iter(self._stores.surrogates.blobs(published))
        read = each(cases, lambda case: None if case.current is None else _read_surrogate(next(blobs), prior))
        found = []
        for case, rival in zip(cases, read, strict=True):
            if isinstance(rival, Unavailable):
                raise rival
            if isinstance(rival, Exception):
                logger.warning("session %s is refitted from nothing: %s", case.session_id, rival)
            found.append(replace(case, rival=None if isinstance(rival, Exception) else rival))
        return found

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
    refused = isinstance(error, gate.RefusedError)
    tools.metrics.refits.labels(result="gated" if refused else "failed").inc()
    _report(lease.session_id, error)
    try:
        if num_events is None:
            num_events = tools.stores.sessions.ledger(lease.session_id).num_events
        # The same answers would be refused again, so what is refused waits for new ones.
        rest_s = None if refused else tools.lease_s
        tools.stores.due.fail(lease, _failure(error, num_events, time.time()), rest_s)
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
    observations = dataset(case.answers, particles, data_shape, case.session.config)
    return Problem(observations, _seed_of(case.session_id), previous=case.previous)


def _checked(prior: Prior, case: Case, problem: Problem, fitted: Surrogate | Exception) -> bytes:
    """The artifact, once it has passed the gate."""
    if isinstance(fitted, Exception):
        raise fitted
    blob = fitted.to_bytes()
    features = None if problem.features is None else problem.features.clean
    gate.check(blob, prior, problem.observations, features, case.rival_on(problem.observations))
    return blob


def _read_surrogate(blob: bytes | ApaError, prior: Prior) -> Surrogate | None:
    """None for one of another version of the prior."""
    if isinstance(blob, ApaError):
        raise blob
    surrogate = load(blob)
    return surrogate if surrogate.prior_hash in ("", prior.content_hash) else None


def _seed_of(session_id: str) -> int:
    """The same session always fits with the same seed."""
    return zlib.crc32(session_id.encode())


def _failure(error: Exception, num_events: int, now: float) -> RefitFailure:
    known = isinstance(error, ApaError)
    return RefitFailure(
        error=_known_name(error) if known else Internal.__name__,
        # What is no error of ours may say anything, and goes to callers.
        message=str(error)[:MAX_MESSAGE] if known else "a bug of the trainer; its log says which",
        num_events=num_events,
        failed_at=now,
    )


def _known_name(error: Exception) -> str:
    """The class that callers know it by, where it is a special case of one in `apa.errors`."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == ApaError.__module__)


def _report(session_id: str, error: Exception) -> None:
    if isinstance(error, ApaError):
        logger.error("session %s was not refitted: %s: %s", session_id, type(error).__name__, error)
    else:
        logger.error("session %s was not refitted", session_id, exc_info=error)
