"""The operations page names what there is: every setting and every metric, and none that is not."""

from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry, Metric

from apa import config
from apa.metrics import FeedbackMetrics, SamplerMetrics, TrainerMetrics, grpc_call_duration
from feedback_service.config import FeedbackSettings
from sampler_service.config import SamplerSettings
from tests.deploy.tools import ROOT
from trainer_worker.config import TrainerSettings

PAGE = (ROOT / "docs" / "operations.md").read_text()
ALL_SETTINGS = (SamplerSettings, FeedbackSettings, TrainerSettings)
COMMON = {"PRIOR_FOLDERS", *config.keys(config.ServerSettings).values()}
"""Settings of every service, explained once without a prefix."""


def in_backquotes(pattern: str) -> set[str]:
    return set(re.findall(f"`({pattern})`", PAGE))


@pytest.mark.parametrize("settings", ALL_SETTINGS, ids=lambda settings: settings.__name__)
def test_every_setting_is_explained_and_no_other(settings: type[config.Settings]) -> None:
    prefix = str(settings.model_config.get("env_prefix", ""))
    keys = {key.removeprefix(prefix) for key in config.keys(settings).values()}
    explained = {key.removeprefix(prefix) for key in in_backquotes(rf"{prefix}\w*[A-Z]")}
    assert explained == keys - COMMON
    assert keys & COMMON <= in_backquotes(r"[A-Z_]+")


def test_every_metric_is_explained() -> None:
    registry = CollectorRegistry()
    grpc_call_duration(registry)
    for metrics in (SamplerMetrics, FeedbackMetrics, TrainerMetrics):
        metrics.create(registry)
    assert {_exported(metric) for metric in registry.collect()} == in_backquotes(r"(?:apa|grpc_server)_\w+")


def _exported(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name
