"""The metrics keep to the names that dashboards and alerts use."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from apa.metrics import (
    PREPARED_OUTCOMES,
    REFIT_RESULTS,
    STREAM_ENDS,
    FeedbackMetrics,
    SamplerMetrics,
    TrainerMetrics,
    grpc_call_duration,
)

FORBIDDEN = {"user", "user_id", "session", "session_id", "tenant"}


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    SamplerMetrics.create(registry)
    FeedbackMetrics.create(registry)
    TrainerMetrics.create(registry)
    return registry


def test_names_have_the_prefix_and_base_units(registry: CollectorRegistry) -> None:
    for metric in registry.collect():
        assert metric.name.startswith("apa_")
        assert not metric.name.endswith(("_ms", "_milliseconds", "_minutes"))
        assert metric.documentation


def test_no_label_is_of_a_user_or_session(registry: CollectorRegistry) -> None:
    names = {name for metric in registry.collect() for sample in metric.samples for name in sample.labels}
    assert not names & FORBIDDEN


@pytest.mark.parametrize(
    ("name", "label", "values"),
    [
        ("runs_by_route", "route", ("rank", "pool_start", "steer")),
        ("runs_inadequate", "route", ("rank", "pool_start", "steer")),
        ("streams_ended", "reason", STREAM_ENDS),
        ("prepared_runs", "outcome", PREPARED_OUTCOMES),
        ("refits", "result", REFIT_RESULTS),
    ],
)
def test_every_value_of_a_known_label_is_there_from_the_start(
    registry: CollectorRegistry, name: str, label: str, values: tuple[str, ...]
) -> None:
    for value in values:
        assert registry.get_sample_value(f"apa_{name}_total", {label: value}) == 0


def test_the_call_duration_has_the_conventions_name_and_labels() -> None:
    registry = CollectorRegistry()
    grpc_call_duration(registry).labels("apa.v1.SamplerService/Sample", "OK").observe(0.1)
    count = registry.get_sample_value(
        "grpc_server_call_duration_seconds_count",
        {"grpc_method": "apa.v1.SamplerService/Sample", "grpc_status": "OK"},
    )
    assert count == 1


def test_two_registries_do_not_share(registry: CollectorRegistry) -> None:
    other = SamplerMetrics.create(CollectorRegistry())
    other.requests_running.set(3)
    assert registry.get_sample_value("apa_requests_running") == 0
