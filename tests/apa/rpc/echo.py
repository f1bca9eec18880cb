"""A stand-in service of every kind of call, made of the health messages so that it needs no contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

SERVICE = "test.Echo"
Behave = Callable[[str], Awaitable[None]]


class Echo:
    """Answers with the request; `behave(text)` runs first and may raise or wait."""

    def __init__(self, behave: Behave) -> None:
        self.behave = behave
        self.closed = asyncio.Event()

    async def unary(self, request: Any, context: Any) -> Any:
        await self.behave(request.service)
        return health_pb2.HealthCheckResponse(status="SERVING")

    async def stream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """One response, then `behave`, then responses without end, until it is closed."""
        try:
            yield health_pb2.HealthCheckResponse(status="SERVING")
            await self.behave(request.service)
            while True:
                yield health_pb2.HealthCheckResponse(status="SERVING")
        finally:
            self.closed.set()

    async def collect(self, requests: AsyncIterator[Any], context: Any) -> Any:
        async for request in requests:
            await self.behave(request.service)
        return health_pb2.HealthCheckResponse(status="SERVING")

    async def chat(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            await self.behave(request.service)
            yield health_pb2.HealthCheckResponse(status="SERVING")

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        codec = (health_pb2.HealthCheckRequest.FromString, health_pb2.HealthCheckResponse.SerializeToString)
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary, *codec),
            "Stream": grpc.unary_stream_rpc_method_handler(self.stream, *codec),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect, *codec),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat, *codec),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        return [SERVICE]


def call(channel: Any, method: str, kind: str) -> Any:
    """A callable of `method` on a channel of `grpc` or `grpc.aio`; kind as in `unary_stream`."""
    return getattr(channel, kind)(
        f"/{SERVICE}/{method}",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )


def request(text: str = "") -> Any:
    return health_pb2.HealthCheckRequest(service=text)
