"""The metrics keep to the names that dashboards and alerts use."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from apa.metrics import FeedbackMetrics, SamplerMetrics, TrainerMetrics, grpc_call_duration

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
