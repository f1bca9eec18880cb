"""The scaffolding of every gRPC server: health, reflection, errors, metrics, signals and the drain."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import REGISTRY, CollectorRegistry

from apa.config import ServerSettings
from apa.errors import Unavailable
from apa.metrics import grpc_call_duration
from apa.rpc import health
from apa.rpc.errors_interceptor import ErrorsInterceptor
from apa.rpc.metrics_http import MetricsServer
from apa.rpc.metrics_interceptor import MetricsInterceptor
from apa.rpc.options import server_options
from apa.rpc.ready import Ready, announce

logger = logging.getLogger(__name__)

Register = Callable[[grpc.aio.Server], Sequence[str]]
"""Adds servicers to a server and returns the full names of their services, e.g. apa.v1.SamplerService."""


class RunningServer:
    """A started server. `drain` ends it; nothing else does."""

    def __init__(
        self,
        ready: Ready,
        server: grpc.aio.Server,
        state: health.Health,
        metrics: MetricsServer,
        grace_s: float,
    ) -> None:
        self.ready = ready
        self._server = server
        self._health = state
        self._metrics = metrics
        self._grace_s = grace_s
        self._draining: asyncio.Task[None] | None = None

    async def drain(self, on_drain: Callable[[], Awaitable[None]] | None = None) -> None:
        """Reports NOT_SERVING, takes no new call, and cancels what still runs after `grace_s`.

        Drains once: a further call waits for the first, whose `on_drain` holds. Two overlapping stops of one
        gRPC server end the process with a segmentation fault when the grace of the second runs out.
        """
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(on_drain))
        await asyncio.shield(self._draining)

    async def _drain(self, on_drain: Callable[[], Awaitable[None]] | None) -> None:
        self._health.drain()
        stopping = asyncio.create_task(self._server.stop(self._grace_s))
        if on_drain is not None:
            await on_drain()
        await stopping
        self._metrics.close()


async def start(
    name: str, register: Register, settings: ServerSettings, *, registry: CollectorRegistry = REGISTRY
) -> RunningServer:
    """A server that listens and reports SERVING.

    Raises:
        Unavailable: a port is taken.
    """
    server = grpc.aio.server(
        interceptors=[MetricsInterceptor(grpc_call_duration(registry)), ErrorsInterceptor()],
        options=server_options(settings.max_message_bytes),
    )
    services = register(server)
    state = health.Health(services)
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    reflection.enable_server_reflection([*services, health.SERVICE, reflection.SERVICE_NAME], server)
    port = _bind(server, settings)
    metrics = _metrics_server(settings, registry, state)
    await server.start()
    return RunningServer(Ready(name, port, metrics.port), server, state, metrics, settings.grace_s)


async def serve(
    name: str,
    register: Register,
    settings: ServerSettings,
    *,
    registry: CollectorRegistry = REGISTRY,
    ready: Callable[[Ready], None] | None = None,
    on_drain: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    A port that is taken ends the process with one line on stderr and exit code 1.

    Args:
        ready: called once the server listens, after the ready line and the ready file.
        on_drain: awaited once no new call comes in, while running ones finish: to close queues.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        running = await start(name, register, settings, registry=registry)
    except Unavailable as error:
        raise SystemExit(f"{name}: {error}") from error
    announce(running.ready, settings.ready_file)
    if ready is not None:
        ready(running.ready)
    await stop.wait()
    logger.info("%s drains for at most %.1f s", name, settings.grace_s)
    await running.drain(on_drain)


def _bind(server: grpc.aio.Server, settings: ServerSettings) -> int:
    address = f"{settings.host}:{settings.port}"
    try:
        return server.add_insecure_port(address)
    except RuntimeError as error:
        raise Unavailable("cannot listen", field="port", expected="a free port", found=address) from error


def _metrics_server(
    settings: ServerSettings, registry: CollectorRegistry, state: health.Health
) -> MetricsServer:
    address = f"{settings.host}:{settings.metrics_port}"
    try:
        return MetricsServer(settings.host, settings.metrics_port, registry, lambda: state.serving)
    except OSError as error:
        raise Unavailable(
            "cannot listen", field="metrics_port", expected="a free port", found=address
        ) from error
