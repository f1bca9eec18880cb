"""What the sampler measures: the engine's hooks and the servicer's own, as Prometheus metrics."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict

from apa.errors import ApaError
from apa.metrics import SamplerMetrics
from apa.records.run_events import Certificate
from sampler_service.calls import Job
from sampler_service.observer import EngineObserver

_log = logging.getLogger(__name__)

REMEMBERED_VERSIONS = 100_000


class Measuring(EngineObserver):
    """Feeds the metrics. The engine calls from its thread, the servicer from others."""

    def __init__(self, metrics: SamplerMetrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._served: OrderedDict[str, None] = OrderedDict()

    def on_queue(self, num_running: int, num_waiting: int) -> None:
        self._metrics.requests_running.set(num_running)
        self._metrics.requests_waiting.set(num_waiting)

    def on_admit(self, queue_s: float) -> None:
        self._metrics.request_queue_seconds.observe(queue_s)

    def on_tick(self, num_runs: int, num_particles: int, seconds: float) -> None:
        self._metrics.step_interval_seconds.observe(seconds)
        self._metrics.batch_runs.observe(num_runs)
        self._metrics.batch_particles.observe(num_particles)

    def on_ess(self, ratio: float) -> None:
        self._metrics.ess_ratio.observe(ratio)

    def on_resample(self) -> None:
        self._metrics.resamples.inc()

    def on_clip(self, count: int) -> None:
        self._metrics.clip_events.inc(count)

    def cache_queried(self, hit: bool) -> None:
        self._metrics.surrogate_cache_queries.inc()
        if hit:
            self._metrics.surrogate_cache_hits.inc()

    def first_particle(self, seconds: float) -> None:
        """A call's first particle is ready to be sent."""
        self._metrics.time_to_first_particle_seconds.observe(seconds)

    def prepared_ended(self, outcome: str, wasted_evaluations: int) -> None:
        """A run made ahead of its call was shown, or was of no use."""
        self._metrics.prepared_runs.labels(outcome).inc()
        self._metrics.prepared_wasted_evaluations.inc(wasted_evaluations)

    def routed(self, route: str) -> None:
        """A call's particles come by this route."""
        self._metrics.runs_by_route.labels(route).inc()

    def certified(self, route: str, certificate: Certificate | None) -> None:
        """A run by this route says what it is worth."""
        if certificate is not None and not certificate.adequate:
            self._metrics.runs_inadequate.labels(route).inc()

    def stream_ended(self, reason: str) -> None:
        self._metrics.streams_ended.labels(reason).inc()

    def served(self, job: Job) -> None:
        """A slate was stored; the first of a version says how long its newest answer waited to matter."""
        version = job.version
        if version is None or not version.newest_answer_at or not self._is_first(version.version):
            return
        self._metrics.surrogate_staleness_seconds.observe(max(0.0, time.time() - version.newest_answer_at))

    def release_failed(self, error: ApaError) -> None:
        _log.warning("a reservation could not be given back and will expire: %s", error)

    def _is_first(self, version: str) -> bool:
        with self._lock:
            if version in self._served:
                return False
            self._served[version] = None
            if len(self._served) > REMEMBERED_VERSIONS:
                self._served.popitem(last=False)
            return True
