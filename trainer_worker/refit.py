"""One refit, from a session's id to a published surrogate that knows every answer so far.

    lease -> events, particles -> dataset -> fit -> gate -> publish -> settle

The due set is the truth: whatever goes wrong here leaves the session due, and a sweep finds it again.
"""

from __future__ import annotations

import logging
import time
import zlib
from typing import Literal

from apa.errors import ApaError, DataLoss, Internal, Unavailable
from apa.metrics import TrainerMetrics
from apa.priors.base import Prior
from apa.records.feedback import Event
from apa.records.session import RefitFailure, Session, SurrogateVersion
from apa.store.due import Lease
from apa.surrogates import load
from trainer_worker import gate
from trainer_worker.dataset import dataset, particle_ids
from trainer_worker.fit import FeatureCache, fit
from trainer_worker.publish import publish
from trainer_worker.shelf import PriorShelf, Shelved
from trainer_worker.stores import Stores

logger = logging.getLogger(__name__)

MAX_PASSES = 5
"""Refits in a row of one session that keeps getting answers; then the other sessions have their turn."""
MAX_MESSAGE = 500
"""Characters of an error that a session keeps."""

Result = Literal["published", "superseded", "unchanged", "failed"]


class Refitter:
    """Refits sessions. Safe to use from several threads: what they share locks itself.

    Args:
        lease_s: how long a refit has its session to itself.
    """

    def __init__(
        self, stores: Stores, shelf: PriorShelf, cache: FeatureCache, metrics: TrainerMetrics, lease_s: float
    ) -> None:
        self._stores = stores
        self._shelf = shelf
        self._cache = cache
        self._metrics = metrics
        self._lease_s = lease_s

    def refit(self, session_id: str) -> None:
        """Bring the session's surrogate up to date, unless somebody else is at it.

        Answers that arrive during the refit leave the session due, and are covered by another pass.
        """
        for _ in range(MAX_PASSES):
            lease = self._stores.due.acquire(session_id, self._lease_s)
            if lease is None:
                self._metrics.refits_coalesced.inc()
                return
            if self._pass(lease):
                return

    def _pass(self, lease: Lease) -> bool:
        """One refit under a lease; True when there is nothing more to do now."""
        events: list[Event] | None = None
        try:
            session = self._stores.sessions.get(lease.session_id)
            events = self._stores.ledger.log(lease.session_id)
            result = self._bring_up_to_date(lease, session, events)
        except Unavailable:
            self._metrics.refits.labels(result="unavailable").inc()
            self._release(lease)
            raise
        except Exception as error:
            # The lease is left to expire on purpose: trying at once would fail the same way, over and over.
            self._metrics.refits.labels(result="failed").inc()
            _report(lease.session_id, error)
            self._keep(lease, error, events)
            return True
        self._metrics.refits.labels(result=result).inc()
        return self._stores.due.settle(lease, len(events))

    def _bring_up_to_date(self, lease: Lease, session: Session, events: list[Event]) -> Result:
        """How the current surrogate came to know these events."""
        start = time.monotonic()
        shelved = self._shelf.get(session.config.prior)
        if not events or self._is_current(session, shelved.prior, len(events)):
            self._metrics.refits_coalesced.inc()
            return "unchanged"
        published = self._publish(lease, session, shelved, events)
        self._metrics.refit_duration_seconds.observe(time.monotonic() - start)
        return "published" if published else "superseded"

    def _publish(self, lease: Lease, session: Session, shelved: Shelved, events: list[Event]) -> bool:
        prior, transport = shelved
        answers = [event.feedback for event in events]
        particles = self._stores.slates.particles(session.session_id, particle_ids(answers))
        observations = dataset(answers, particles, prior.data_shape, session.config)
        family = session.config.surrogate
        seed = _seed_of(session.session_id)
        blob = fit(family, prior, observations, seed, self._cache, transport).to_bytes()
        gate.check(blob, prior, observations)
        return publish(
            self._stores.surrogates,
            lease,
            family,
            blob,
            trained_events=len(events),
            newest_answer_at=max(event.recorded_at for event in events),
            now=time.time(),
        )

    def _is_current(self, session: Session, prior: Prior, num_events: int) -> bool:
        """Whether the current surrogate knows every answer, and speaks of this prior's features."""
        current = self._stores.surrogates.current(session.session_id)
        if current is None or current.trained_events != num_events:
            return False
        return self._fits(session.session_id, current, prior)

    def _fits(self, session_id: str, current: SurrogateVersion, prior: Prior) -> bool:
        try:
            blob = self._stores.surrogates.blob(session_id, current.version)
            return load(blob, current.version).prior_hash in ("", prior.content_hash)
        except DataLoss as error:
            logger.warning("session %s is refitted: %s", session_id, error)
            return False

    def _keep(self, lease: Lease, error: Exception, events: list[Event] | None) -> None:
        """Tell who waits for the refit why there is none; events: None when they could not be read."""
        try:
            num_events = (
                self._stores.sessions.ledger(lease.session_id).num_events if events is None else len(events)
            )
            self._stores.due.fail(lease, _failure(error, num_events, time.time()))
        except ApaError as lost:
            logger.warning("why session %s was not refitted is not kept: %s", lease.session_id, lost)

    def _release(self, lease: Lease) -> None:
        try:
            self._stores.due.release(lease)
        except Unavailable:
            logger.warning("the lease of session %s is left to expire", lease.session_id)


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
        logger.exception("session %s was not refitted", session_id)
