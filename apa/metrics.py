"""The names of every metric, made on a registry that the caller gives: importing this measures nothing.

Base units, prefix `apa_`, and no label per user or session, whose number has no bound. gRPC's own metric
keeps the name of OpenTelemetry's semantic conventions, `grpc.server.call.duration` with `grpc.method` and
`grpc.status`, as Prometheus spells it. It is measured by our own interceptor: the OpenTelemetry plugin would
bring its SDK and a second registry for one histogram.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from apa.records.sampling import RouteName
from apa.records.session import RefitQuality

CALL_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100)
STEP_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
FRESHNESS_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
COUNT_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
GAP_BUCKETS = (-2, -1, -0.5, -0.25, -0.1, 0, 0.1, 0.25, 0.5, 1, 2, 4)
REFIT_RESULTS = ("published", "superseded", "unchanged", "gated", "failed", "unavailable")
PREPARED_OUTCOMES = ("hit", "joined", "superseded", "expired", "mismatched", "evicted", "failed")
STREAM_ENDS = ("finished", "cancelled", "deadline", "refused", "busy", "error")
RATIO_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def grpc_call_duration(registry: CollectorRegistry) -> Histogram:
    """Seconds of a call, by `grpc_method` ("package.Service/Method") and `grpc_status` ("OK")."""
    return Histogram(
        "grpc_server_call_duration_seconds",
        "Time from the start of a call to its status (OpenTelemetry grpc.server.call.duration).",
        ["grpc_method", "grpc_status"],
        buckets=CALL_BUCKETS,
        registry=registry,
    )


@dataclass(frozen=True)
class SamplerMetrics:
    """What the sampler measures."""

    requests_running: Gauge
    requests_waiting: Gauge
    time_to_first_particle_seconds: Histogram
    step_interval_seconds: Histogram
    request_queue_seconds: Histogram
    batch_runs: Histogram
    batch_particles: Histogram
    ess_ratio: Histogram
    resamples: Counter
    clip_events: Counter
    surrogate_cache_hits: Counter
    surrogate_cache_queries: Counter
    surrogate_staleness_seconds: Histogram
    runs_by_route: Counter
    """By `route`, a RouteName."""
    runs_inadequate: Counter
    """Likewise."""
    prepared_runs: Counter
    """By `outcome`, one of PREPARED_OUTCOMES."""
    prepared_wasted_evaluations: Counter
    streams_ended: Counter
    """By `reason`, one of STREAM_ENDS; refused is the caller's mistake."""

    @classmethod
    def create(cls, registry: CollectorRegistry) -> Self:
        make = _Maker(registry)
        return cls(
            requests_running=make.gauge("requests_running", "Runs in the batch."),
            requests_waiting=make.gauge("requests_waiting", "Runs that wait for a place."),
            time_to_first_particle_seconds=make.histogram(
                "time_to_first_particle_seconds", "From a call's start to its first particle.", CALL_BUCKETS
            ),
            step_interval_seconds=make.histogram(
                "step_interval_seconds", "One tick of the engine.", STEP_BUCKETS
            ),
            request_queue_seconds=make.histogram(
                "request_queue_seconds", "From a run's submission to its admission.", CALL_BUCKETS
            ),
            batch_runs=make.histogram("batch_runs", "Runs in a tick.", COUNT_BUCKETS),
            batch_particles=make.histogram("batch_particles", "Particles in a tick.", COUNT_BUCKETS),
            ess_ratio=make.histogram(
                "ess_ratio", "Effective sample size over N after a step.", RATIO_BUCKETS
            ),
            resamples=make.counter("resamples_total", "Resamplings."),
            clip_events=make.counter("clip_events_total", "Weights and increments that a clip changed."),
            surrogate_cache_hits=make.counter("surrogate_cache_hits_total", "Surrogates found loaded."),
            surrogate_cache_queries=make.counter("surrogate_cache_queries_total", "Surrogates asked for."),
            surrogate_staleness_seconds=make.histogram(
                "surrogate_staleness_seconds",
                "From feedback accepted to the first run that a surrogate fitted on it steers.",
                FRESHNESS_BUCKETS,
            ),
            runs_by_route=make.counter_by(
                "route", get_args(RouteName), "runs_by_route_total", "Runs by the route that they took."
            ),
            runs_inadequate=make.counter_by(
                "route",
                get_args(RouteName),
                "runs_inadequate_total",
                "Runs that are not adequate by their certificate, by route.",
            ),
            prepared_runs=make.counter_by(
                "outcome", PREPARED_OUTCOMES, "prepared_runs_total", "Runs made ahead of their call, ended."
            ),
            prepared_wasted_evaluations=make.counter(
                "prepared_wasted_evaluations_total",
                "Particles that the denoiser was asked about in runs made ahead that nobody saw.",
            ),
            streams_ended=make.counter_by(
                "reason", STREAM_ENDS, "streams_ended_total", "Sample streams ended."
            ),
        )


@dataclass(frozen=True)
class FeedbackMetrics:
    """What the feedback service measures."""

    feedback: Counter
    """By `kind` (scalar) and `result` (accepted, duplicate, or the reason of the refusal)."""
    dead_letter_depth: Gauge
    refit_hints_lost: Counter
    """Messages that did not reach the broker; the due set still has their sessions."""

    @classmethod
    def create(cls, registry: CollectorRegistry) -> Self:
        make = _Maker(registry)
        return cls(
            feedback=make.counter("feedback_total", "Answers received.", ["kind", "result"]),
            dead_letter_depth=make.gauge("dead_letter_depth", "Answers that could not be ingested."),
            refit_hints_lost=make.counter(
                "refit_hints_lost_total", "Refit messages the broker did not take."
            ),
        )


@dataclass(frozen=True)
class TrainerMetrics:
    """What the trainer measures."""

    refit_duration_seconds: Histogram
    refits: Counter
    """By `result`, one of REFIT_RESULTS."""
    refits_coalesced: Counter
    refit_batch_sessions: Histogram
    default_answers: Counter
    sessions_due: Gauge
    refit_gap: Histogram
    refit_coverage: Histogram
    refits_tempered: Counter

    def observe_quality(self, quality: RefitQuality | None) -> None:
        """How well answers had been foreseen, where there were any to foresee."""
        if quality is None or quality.num_answers == 0:
            return
        self.refit_gap.observe(quality.gap)
        self.refit_coverage.observe(quality.coverage)
        if quality.beta_factor < 1.0:
            self.refits_tempered.inc()

    @classmethod
    def create(cls, registry: CollectorRegistry) -> Self:
        make = _Maker(registry)
        return cls(
            refit_duration_seconds=make.histogram(
                "refit_duration_seconds", "From taking the lease to publishing.", CALL_BUCKETS
            ),
            refits=make.counter_by("result", REFIT_RESULTS, "refits_total", "Refits begun."),
            refits_coalesced=make.counter("refits_coalesced_total", "Refits that another one had covered."),
            refit_batch_sessions=make.histogram(
                "refit_batch_sessions", "Sessions that were refitted together.", COUNT_BUCKETS
            ),
            default_answers=make.counter(
                "default_answers_total", "Default rewards given after a slate's wait."
            ),
            sessions_due=make.gauge("sessions_due", "Sessions that wait for a refit."),
            refit_gap=make.histogram(
                "refit_gap",
                "Mean of predicted less true reward of what was shown, in standard deviations of the reward.",
                GAP_BUCKETS,
            ),
            refit_coverage=make.histogram(
                "refit_coverage", "Share of answers inside their 90% predictive intervals.", RATIO_BUCKETS
            ),
            refits_tempered=make.counter(
                "refits_tempered_total", "Refits whose runs steer less, as what was shown was overrated."
            ),
        )


class _Maker:
    """Makes metrics of one registry with our prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"apa_{name}", text, registry=self._registry)

    def counter(self, name: str, text: str, labels: list[str] | None = None) -> Counter:
        return Counter(f"apa_{name}", text, labels or [], registry=self._registry)

    def counter_by(self, label: str, values: Iterable[str], name: str, text: str) -> Counter:
        """By one label, each value there from the start: from nothing to the first is no increase."""
        counter = self.counter(name, text, [label])
        for value in values:
            counter.labels(value)
        return counter

    def histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"apa_{name}", text, buckets=buckets, registry=self._registry)
