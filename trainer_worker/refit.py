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
from dataclasses import replace
from typing import Literal, TypeVar

from apa.errors import ApaError, Unavailable
from apa.priors.base import Prior
from apa.records.particle import Particle
from apa.records.session import Session
from apa.store.cohorts import Membership
from apa.store.due import Lease
from apa.surrogates import Surrogate, load
from trainer_worker import gate
from trainer_worker.case import Case
from trainer_worker.dataset import dataset, particle_ids
from trainer_worker.failures import keep_failure
from trainer_worker.fit import WarmStart
from trainer_worker.fit.together import Problem, encoded, fit_together, reads_features
from trainer_worker.hindsight import Past, qualities
from trainer_worker.outcomes import each
from trainer_worker.shelf import Shelved
from trainer_worker.tools import Tools

logger = logging.getLogger(__name__)

Result = Literal["published", "superseded", "unchanged"]
T = TypeVar("T")


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
