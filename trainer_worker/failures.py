"""A session that was not refitted: its lease ends, and who waits for it is told why."""

from __future__ import annotations

import logging
import time

from apa.errors import ApaError, Internal, NotFound
from apa.records.session import RefitFailure
from apa.store.due import Lease
from trainer_worker import gate
from trainer_worker.tools import Tools

logger = logging.getLogger(__name__)

MAX_MESSAGE = 500
"""Characters of an error that a session keeps."""


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
