"""Emptying the due set: batch after batch, by as many workers as there are.

    due sessions -> those that share a fit -> their leases -> refit -> the next batch, until none is free

The due set is the truth, a message only a hint to look at it. A session due alone is refitted alone, at once;
batches grow by themselves while workers are busy.
"""

from __future__ import annotations

import logging

from apa.errors import ApaError, Unavailable
from apa.records.session import Session
from apa.store.due import Lease
from trainer_worker.batches import batches
from trainer_worker.failures import keep_failure
from trainer_worker.refit import refit
from trainer_worker.tools import Tools

logger = logging.getLogger(__name__)

MAX_PASSES = 5
"""Batches in a row; then other messages of the queue have their turn."""


class Drain:
    """Refits due sessions. Safe to use from several threads: what they share locks itself.

    Args:
        most: sessions of a batch.
    """

    def __init__(self, tools: Tools, most: int) -> None:
        self._tools = tools
        self._due = tools.stores.due
        self._most = most

    def run(self, hinted: str | None = None) -> bool:
        """Refit what is due and free. True when there may be more.

        Args:
            hinted: the session to begin with; nothing happens when somebody is at it or has been.

        Raises:
            Unavailable: the store is away; the sessions stay due.
        """
        if hinted is not None and not self._due.is_free(hinted):
            self._tools.metrics.refits_coalesced.inc()
            return False
        for _ in range(MAX_PASSES):
            taken = self._take(hinted)
            if not taken:
                return False
            hinted = None
            refit(self._tools, taken)
        return True

    def _take(self, hinted: str | None) -> list[tuple[Session, Lease]]:
        """A batch that was free until now."""
        first = [] if hinted is None else [hinted]
        # Some more than a batch: they may be of several priors, or be taken by others meanwhile.
        names = list(dict.fromkeys(first + self._due.free(4 * self._most)))
        for batch in batches(self._readable(names), self._most):
            leases = self._due.take([session.session_id for session in batch], self._tools.lease_s)
            if leases:
                of = {session.session_id: session for session in batch}
                return [(of[lease.session_id], lease) for lease in leases]
        return []

    def _readable(self, names: list[str]) -> list[Session]:
        found = []
        for name, session in zip(names, self._tools.stores.sessions.get_many(names), strict=True):
            if isinstance(session, Session):
                found.append(session)
            else:
                self._refuse(name, session)
        return found

    def _refuse(self, session_id: str, error: ApaError) -> None:
        """Let a session whose record cannot be read rest."""
        if isinstance(error, Unavailable):
            raise error
        for lease in self._due.take([session_id], self._tools.lease_s):
            keep_failure(self._tools, lease, error, num_events=None)
