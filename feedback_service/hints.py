"""Hints to the trainer that a session is due.

The due set is the truth: a hint may be lost, late or double.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from celery import Celery

REFIT_TASK = "trainer_worker.refit"
MAX_PENDING = 10_000

logger = logging.getLogger(__name__)


class Hints:
    """Sends hints from a thread of its own, so that no answer waits for the broker.

    Args:
        on_lost: called once for each hint that the broker did not take.
    """

    def __init__(self, broker_url: str, on_lost: Callable[[], None], *, timeout_s: float = 2.0) -> None:
        self._celery = _celery(broker_url, timeout_s)
        self._on_lost = on_lost
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hints")
        self._pending: set[str] = set()
        self._lock = threading.Lock()

    def send(self, session_ids: Iterable[str]) -> None:
        """Queues a hint for each session. One that waits already stands for all its answers."""
        for session_id in session_ids:
            with self._lock:
                waits = session_id in self._pending
                full = len(self._pending) >= MAX_PENDING
                if not waits and not full:
                    self._pending.add(session_id)
            if full and not waits:
                self._lost(session_id, "too many hints wait for the broker")
            elif not waits:
                self._thread.submit(self._send, session_id)

    def close(self) -> None:
        """Drops what still waits: the sweep finds it."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._celery.close()

    def _send(self, session_id: str) -> None:
        # Before sending: an answer that comes from now on needs a hint of its own.
        with self._lock:
            self._pending.discard(session_id)
        try:
            self._celery.send_task(REFIT_TASK, args=[session_id], ignore_result=True, retry=False)
        except Exception as error:
            self._lost(session_id, type(error).__name__)

    def _lost(self, session_id: str, why: str) -> None:
        logger.warning("no refit hint for session %s: %s", session_id, why)
        self._on_lost()


def _celery(broker_url: str, timeout_s: float) -> Celery:
    celery = Celery("feedback_service", broker=broker_url, set_as_current=False)
    celery.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        broker_connection_timeout=timeout_s,
        # Without these a broker that is away is tried again for minutes, while hints pile up.
        broker_transport_options={
            "socket_timeout": timeout_s,
            "socket_connect_timeout": timeout_s,
            "max_retries": 0,
        },
    )
    return celery
