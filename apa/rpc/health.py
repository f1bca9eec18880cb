"""The health service of gRPC. The library's `Watch` never ends and would hold a drain for its whole grace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from apa.errors import NotFound

SERVICE = "grpc.health.v1.Health"


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """One answer for the whole server ("") and each of its services: SERVING until `drain`."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = {"", *services}
        self._draining = asyncio.Event()

    @property
    def serving(self) -> bool:
        return not self._draining.is_set()

    def drain(self) -> None:
        self._draining.set()

    async def Check(self, request: Any, _context: Any) -> Any:  # noqa: N802
        if request.service not in self._services:
            expected = ", ".join(sorted(self._services - {""}))
            raise NotFound("no such service", field="service", expected=expected, found=request.service)
        return self._answer(request.service)

    async def Watch(self, request: Any, _context: Any) -> AsyncIterator[Any]:  # noqa: N802
        if self.serving:
            yield self._answer(request.service)
            await self._draining.wait()
        yield self._answer(request.service)

    def _answer(self, service: str) -> Any:
        if service not in self._services:
            return health_pb2.HealthCheckResponse(status="SERVICE_UNKNOWN")
        return health_pb2.HealthCheckResponse(status="SERVING" if self.serving else "NOT_SERVING")
