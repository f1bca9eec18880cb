"""The clock of the sweep: a thread of the worker, so that no scheduler has to be run beside it."""

from __future__ import annotations

import logging
import threading

from celery import Celery
from kombu.exceptions import OperationalError

from trainer_worker.tasks import SWEEP

logger = logging.getLogger(__name__)


class Sweeper:
    """Sends a sweep at once and then every interval, until stopped.

    A sweep that nobody has taken by the next one expires, so that a stopped worker finds no pile of them.
    """

    def __init__(self, app: Celery, interval_s: float) -> None:
        self._app = app
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        self._send()
        while not self._stop.wait(self._interval_s):
            self._send()

    def _send(self) -> None:
        try:
            self._app.send_task(SWEEP, expires=self._interval_s, retry=False)
        except OperationalError as error:
            logger.warning("no sweep could be sent: %s", type(error).__name__)
