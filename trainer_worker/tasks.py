"""The two tasks, both thin: refit a session, and look for sessions that no message speaks of any more."""

from __future__ import annotations

import logging

from celery import Celery

from apa.errors import Unavailable
from apa.store.due import DueStore
from trainer_worker.refit import Refitter

REFIT = "trainer_worker.refit"
SWEEP = "trainer_worker.sweep"

logger = logging.getLogger(__name__)


def register(app: Celery, refitter: Refitter, due: DueStore, *, limit: int, expires_s: float) -> None:
    """Add the tasks to the application.

    Args:
        limit: sessions that one sweep hints at.
        expires_s: after how long a hint of a sweep is worthless, because the next sweep repeats it.
    """

    def refit(session_id: str) -> None:
        try:
            refitter.refit(session_id)
        except Unavailable as error:
            logger.warning("session %s stays due: %s", session_id, error)

    def sweep() -> None:
        try:
            waiting = due.due(limit)
        except Unavailable as error:
            logger.warning("nothing swept: %s", error)
            return
        for session_id in waiting:
            app.send_task(REFIT, args=[session_id], expires=expires_s)

    app.task(name=REFIT)(refit)
    app.task(name=SWEEP)(sweep)
