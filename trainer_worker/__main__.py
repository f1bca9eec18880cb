"""python -m trainer_worker: a Celery worker that refits surrogates. SIGTERM lets running refits finish."""

from __future__ import annotations

import torch
from prometheus_client import CollectorRegistry

from apa.config import load_or_exit
from apa.metrics import TrainerMetrics
from trainer_worker.app import build_app
from trainer_worker.config import TrainerSettings
from trainer_worker.default_answers import DefaultAnswers
from trainer_worker.drain import Drain
from trainer_worker.fit import FeatureCache
from trainer_worker.serving import Serving
from trainer_worker.shelf import PriorShelf
from trainer_worker.stores import Stores
from trainer_worker.sweeper import Sweeper
from trainer_worker.tasks import register
from trainer_worker.tools import Tools


def main() -> None:
    settings = load_or_exit(TrainerSettings)
    torch.set_num_threads(settings.torch_threads)
    registry = CollectorRegistry()
    metrics = TrainerMetrics.create(registry)
    stores = Stores.at(settings.redis_url)
    shelf = PriorShelf(settings.prior_folders)
    tools = Tools(stores, shelf, FeatureCache(settings.feature_cache_bytes), metrics, settings.lease_s)
    app = build_app(settings)
    register(app, Drain(tools, settings.batch_sessions), DefaultAnswers(stores, metrics.default_answers.inc))
    serving = Serving(settings, registry, stores.due)
    serving.measure_due(metrics)
    serving.follow(Sweeper(app, settings.sweep_interval_s))
    try:
        app.worker_main(_arguments(settings))
    finally:
        serving.close()


def _arguments(settings: TrainerSettings) -> list[str]:
    # Threads, not processes: see docs/decisions/0006-trainer-threads.md.
    options = ["--pool=threads", f"--concurrency={settings.concurrency}", f"--loglevel={settings.log_level}"]
    return ["worker", *options, "--without-gossip", "--without-mingle", "--without-heartbeat"]


if __name__ == "__main__":
    main()
