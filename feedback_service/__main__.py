"""python -m feedback_service: serves until SIGTERM, configured by APA_FEEDBACK_* and REDIS_URL."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import REGISTRY

from apa.config import load_or_exit
from apa.metrics import FeedbackMetrics
from apa.rpc.server import serve
from apa.store.connection import connect
from feedback_service.config import FeedbackSettings
from feedback_service.hints import Hints
from feedback_service.ingest import Limits
from feedback_service.servicer import FeedbackServicer
from feedback_service.stores import Stores


async def main(settings: FeedbackSettings) -> None:
    metrics = FeedbackMetrics.create(REGISTRY)
    client = connect(settings.redis_url, timeout_s=settings.store_timeout_s)
    hints = Hints(settings.broker_url or settings.redis_url, metrics.refit_hints_lost.inc)
    with ThreadPoolExecutor(settings.store_threads, thread_name_prefix="store") as threads:
        servicer = FeedbackServicer(
            Stores.of(client), hints, metrics, _limits(settings), threads, settings.prior_folders
        )
        try:
            await serve("feedback", servicer.register, settings)
        finally:
            hints.close()


def _limits(settings: FeedbackSettings) -> Limits:
    return Limits(settings.max_particles, settings.max_budget, settings.max_events_per_call)


if __name__ == "__main__":
    settings = load_or_exit(FeedbackSettings)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(main(settings))
