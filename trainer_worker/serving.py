"""What the worker says of itself: `/healthz`, `/metrics` and the ready line."""

from __future__ import annotations

import logging
import math

from celery import signals
from prometheus_client import CollectorRegistry

from apa.errors import ApaError
from apa.metrics import TrainerMetrics
from apa.rpc.metrics_http import MetricsServer
from apa.rpc.ready import Ready, announce
from apa.store.due import DueStore
from trainer_worker.config import TrainerSettings
from trainer_worker.sweeper import Sweeper

logger = logging.getLogger(__name__)


class Serving:
    """Follows the worker's life by Celery's signals: ready once it consumes, not any more once it stops."""

    def __init__(self, settings: TrainerSettings, registry: CollectorRegistry, due: DueStore) -> None:
        self._settings = settings
        self._due = due
        self._consumer: object | None = None
        self._http = MetricsServer(settings.host, settings.metrics_port, registry, self.healthy)

    def follow(self, sweeper: Sweeper) -> None:
        """Start the sweeper and announce the ports when the worker is ready; undo both when it stops."""

        def ready(sender: object, **_: object) -> None:
            self._consumer = sender
            sweeper.start()
            announce(Ready("trainer", 0, self._http.port), self._settings.ready_file)

        def stopping(**_: object) -> None:
            self._consumer = None
            sweeper.stop()

        # Celery holds receivers weakly unless told otherwise, and these would be gone at once.
        signals.worker_ready.connect(ready, weak=False)
        signals.worker_shutting_down.connect(stopping, weak=False)

    def healthy(self) -> bool:
        """Whether the worker consumes and reaches the store."""
        # Celery's consumer has no connection from the moment it loses one until it consumes again.
        connection = getattr(self._consumer, "connection", None)
        return connection is not None and not math.isnan(self.sessions_due())

    def measure_due(self, metrics: TrainerMetrics) -> None:
        """Let every scrape count the due sessions itself."""
        metrics.sessions_due.set_function(self.sessions_due)

    def sessions_due(self) -> float:
        """How many sessions wait for a refit; NaN while the store is away."""
        try:
            return float(self._due.count())
        except ApaError as error:
            logger.warning("the due sessions cannot be counted: %s", error)
            return math.nan

    def close(self) -> None:
        self._http.close()
