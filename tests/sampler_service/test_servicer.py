"""How the end of a stream is counted: a caller's mistakes are not our failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field

from apa.errors import (
    Cancelled,
    DataLoss,
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from apa.metrics import SamplerMetrics
from apa.pb import sampler_pb2
from sampler_service.measuring import Measuring
from sampler_service.prior_registry import PriorRegistry
from sampler_service.sampling_stream import SamplingStream
from sampler_service.scoring import Scoring
from sampler_service.servicer import SamplerServicer
from sampler_service.stock import Stock


class Range(BaseModel):
    steps: int = Field(ge=1)


class FailingStream:
    def __init__(self, failure: Exception | None) -> None:
        self.failure = failure

    async def events(self, call: Any, deadline_s: Any) -> AsyncGenerator[Any, None]:
        if self.failure is None:
            Range(steps=0)
        else:
            raise self.failure
        yield None


class Context:
    def time_remaining(self) -> None:
        return None


def _counted(failure: Exception | None) -> dict[str, float]:
    """The streams that ended, by reason."""
    registry = CollectorRegistry()
    stream = cast(SamplingStream, FailingStream(failure))
    measuring = Measuring(SamplerMetrics.create(registry))
    with ThreadPoolExecutor(1) as threads:
        servicer = SamplerServicer(
            stream, cast(Scoring, None), cast(Stock, None), PriorRegistry(dict), measuring, threads
        )

    async def call() -> None:
        async for _ in servicer.Sample(sampler_pb2.SampleRequest(prior="toy"), Context()):
            pass

    with pytest.raises(Exception):  # noqa: B017, PT011
        asyncio.run(call())
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    return {
        sample.labels["reason"]: sample.value
        for sample in samples
        if sample.name == "apa_streams_ended_total" and sample.value
    }


def test_a_value_that_pydantic_refuses_counts_as_refused() -> None:
    assert _counted(None) == {"refused": 1.0}


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (InvalidArgument("x"), "refused"),
        (NotFound("x"), "refused"),
        (ResourceExhausted("x"), "busy"),
        (Unavailable("x"), "busy"),
        (DeadlineExceeded("x"), "deadline"),
        (Cancelled("x"), "cancelled"),
        (DataLoss("x"), "error"),
        (Internal("x"), "error"),
        (ZeroDivisionError(), "error"),
    ],
)
def test_every_other_error_has_its_reason(failure: Exception, reason: str) -> None:
    assert _counted(failure) == {reason: 1.0}
