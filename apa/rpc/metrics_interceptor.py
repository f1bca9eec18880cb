"""Measures every call: OpenTelemetry's `grpc.server.call.duration`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from prometheus_client import Histogram

from apa.rpc.handlers import AroundInterceptor


class MetricsInterceptor(AroundInterceptor):
    """Observes the duration of each call under its method and final status.

    Outermost, so that it sees the status that the errors interceptor chose.
    """

    def __init__(self, duration: Histogram) -> None:
        self._duration = duration

    @asynccontextmanager
    async def around(self, method: str, context: Any) -> AsyncIterator[None]:
        started = time.perf_counter()
        status = grpc.StatusCode.OK
        try:
            yield
        except asyncio.CancelledError:
            status = _why_cancelled(context)
            raise
        except grpc.aio.AbortError:
            status = context.code()
            raise
        finally:
            self._duration.labels(method, status.name).observe(time.perf_counter() - started)


def _why_cancelled(context: Any) -> grpc.StatusCode:
    """gRPC cancels a call whose deadline passed just as one whose caller left."""
    left = context.time_remaining()
    late = left is not None and left <= 0
    return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
