"""The scaffolding as a client sees it: errors, cancellation, limits, health, metrics, drain."""

from __future__ import annotations

import asyncio
import logging
import re
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry

from apa import errors
from apa.config import ServerSettings
from apa.errors import ApaError
from apa.records.session import SessionConfig
from apa.rpc.call_errors import from_rpc_error
from apa.rpc.options import client_options
from apa.rpc.server import RunningServer, start
from tests.apa.rpc.echo import SERVICE, Echo, call, request

DEADLINE_S = 10.0


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


@asynccontextmanager
async def served(echo: Echo, **settings: Any) -> AsyncIterator[tuple[RunningServer, grpc.aio.Channel]]:
    running = await start("echo", echo.register, ServerSettings(**settings), registry=CollectorRegistry())
    options = client_options()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.ready.port}", options=options) as channel:
        try:
            yield running, channel
        finally:
            await running.drain()


async def silent(text: str) -> None:
    pass


async def refuse(text: str) -> None:
    raise errors.ResourceExhausted(
        "full", field="queue", expected="at most 4 waiting", found="5", retry_after_s=1.5
    )


async def call_of_kind(channel: Any, kind: str) -> None:
    if kind == "unary":
        await call(channel, "Unary", "unary_unary")(request(), timeout=DEADLINE_S)
    elif kind == "stream":
        async for _ in call(channel, "Stream", "unary_stream")(request(), timeout=DEADLINE_S):
            pass
    elif kind == "collect":
        await call(channel, "Collect", "stream_unary")(iter([request()]), timeout=DEADLINE_S)
    else:
        async for _ in call(channel, "Chat", "stream_stream")(iter([request()]), timeout=DEADLINE_S):
            pass


async def failure(channel: Any, kind: str) -> ApaError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call_of_kind(channel, kind)
    return from_rpc_error(caught.value)


@pytest.mark.parametrize("kind", ["unary", "stream", "collect", "chat"])
def test_an_apa_error_reaches_the_client_whole(kind: str) -> None:
    async def test() -> None:
        async with served(Echo(refuse)) as (_, channel):
            error = await failure(channel, kind)
            assert type(error) is errors.ResourceExhausted
            assert (error.message, error.field, error.found) == ("full", "queue", "5")
            assert error.retry_after_s == 1.5

    run(test)


@pytest.mark.parametrize("kind", ["unary", "stream", "collect", "chat"])
def test_an_unexpected_exception_is_logged_and_not_told(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def leak(text: str) -> None:
        raise RuntimeError("password=hunter2")

    async def test() -> None:
        async with served(Echo(leak)) as (_, channel):
            error = await failure(channel, kind)
            assert type(error) is errors.Internal
            assert "hunter2" not in str(error)

    with caplog.at_level(logging.ERROR):
        run(test)
    assert "hunter2" in caplog.text
    assert "Traceback" in caplog.text


def test_a_pydantic_error_is_an_invalid_argument_that_names_the_field() -> None:
    async def validate(text: str) -> None:
        SessionConfig(prior="fashion", budget=0)

    async def test() -> None:
        async with served(Echo(validate)) as (_, channel):
            error = await failure(channel, "unary")
            assert type(error) is errors.InvalidArgument
            assert (error.field, error.found) == ("budget", "0")

    run(test)


def test_a_cancelled_stream_closes_its_generator_while_it_is_paused_at_yield() -> None:
    async def test() -> None:
        echo = Echo(silent)
        async with served(echo) as (_, channel):
            stream = call(channel, "Stream", "unary_stream")(request())
            await stream.read()
            stream.cancel()
            await asyncio.wait_for(echo.closed.wait(), DEADLINE_S)

    run(test)


def test_a_cancelled_stream_ends_the_work_it_waits_for() -> None:
    async def test() -> None:
        ended = asyncio.Event()

        async def hang(text: str) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.set()
                raise

        echo = Echo(hang)
        async with served(echo) as (_, channel):
            stream = call(channel, "Stream", "unary_stream")(request())
            await stream.read()
            stream.cancel()
            await asyncio.wait_for(ended.wait(), DEADLINE_S)
            await asyncio.wait_for(echo.closed.wait(), DEADLINE_S)

    run(test)


def test_a_message_over_the_servers_limit_names_the_limit() -> None:
    async def test() -> None:
        async with served(Echo(silent), max_message_bytes=65536) as (_, channel):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(channel, "Unary", "unary_unary")(request("x" * 70_000), timeout=DEADLINE_S)
            error = from_rpc_error(caught.value)
            assert type(error) is errors.ResourceExhausted
            assert (error.field, error.expected) == ("max_message_bytes", "at most 65536 bytes")

    run(test)


def test_a_client_without_a_server_gets_unavailable() -> None:
    async def test() -> None:
        async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
            error = await failure(channel, "unary")
            assert (type(error), error.field) == (errors.Unavailable, "server")

    run(test)


def test_a_call_that_its_caller_cancels_is_cancelled() -> None:
    async def hang(text: str) -> None:
        await asyncio.Event().wait()

    async def test() -> None:
        async with served(Echo(hang)) as (running, _):
            with grpc.insecure_channel(f"127.0.0.1:{running.ready.port}") as channel:
                stream = await asyncio.to_thread(call(channel, "Stream", "unary_stream"), request())
                await asyncio.to_thread(next, stream)
                stream.cancel()
                with pytest.raises(grpc.RpcError) as caught:
                    await asyncio.to_thread(next, stream)
                assert type(from_rpc_error(caught.value)) is errors.Cancelled

    run(test)


def test_a_passed_deadline_is_deadline_exceeded_and_measured() -> None:
    async def hang(text: str) -> None:
        await asyncio.Event().wait()

    async def test() -> None:
        async with served(Echo(hang)) as (running, channel):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(channel, "Unary", "unary_unary")(request(), timeout=0.2)
            error = from_rpc_error(caught.value)
            assert (type(error), error.field) == (errors.DeadlineExceeded, "timeout_s")
            # The caller hangs up at its deadline: the server may hear of that before its own clock says so.
            measured = re.compile(r'Unary",grpc_status="(DEADLINE_EXCEEDED|CANCELLED)"')
            await until(lambda: measured.search(scrape(running, "/metrics")))

    run(test)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.02)


def scrape(running: RunningServer, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{running.ready.metrics_port}{path}", timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def test_calls_are_measured_by_method_and_status() -> None:
    async def test() -> None:
        async def odd(text: str) -> None:
            if text:
                raise errors.NotFound("no such thing")

        async with served(Echo(odd)) as (running, channel):
            unary = call(channel, "Unary", "unary_unary")
            await unary(request(), timeout=DEADLINE_S)
            with pytest.raises(grpc.aio.AioRpcError):
                await unary(request("x"), timeout=DEADLINE_S)
            line = (
                'grpc_server_call_duration_seconds_count{grpc_method="test.Echo/Unary",grpc_status="%s"} 1.0'
            )
            # A caller may have its status before the server has counted the call.
            await until(lambda: line % "OK" in scrape(running, "/metrics"))
            await until(lambda: line % "NOT_FOUND" in scrape(running, "/metrics"))
            assert await asyncio.to_thread(scrape, running, "/healthz") == "ok\n"

    run(test)


@pytest.mark.parametrize("kind", ["unary", "stream", "collect", "chat"])
def test_bytes_that_are_not_the_message_are_an_invalid_argument(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with served(Echo(silent)) as (running, channel):
            error = await failure(RawChannel(channel), kind)
            assert type(error) is errors.InvalidArgument
            assert (error.field, error.found) == ("request", "3 bytes that do not parse")
            assert error.expected == "a grpc.health.v1.HealthCheckRequest"
            counted = re.compile(r'test.Echo/\w+",grpc_status="INVALID_ARGUMENT"} 1.0')
            await until(lambda: counted.search(scrape(running, "/metrics")))

    with caplog.at_level(logging.ERROR):
        run(test)
    assert caplog.text == ""


class RawChannel:
    """Sends three bytes that are no protobuf, whatever is asked of it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    def __getattr__(self, kind: str) -> Any:
        def method(path: str, *, request_serializer: Any, **options: Any) -> Any:
            del request_serializer
            return getattr(self._channel, kind)(path, request_serializer=lambda _: b"\x0a\xff\xff", **options)

        return method


def test_a_pydantic_error_is_measured_as_an_invalid_argument() -> None:
    async def validate(text: str) -> None:
        SessionConfig(prior="fashion", budget=0)

    async def test() -> None:
        async with served(Echo(validate)) as (running, channel):
            await failure(channel, "unary")
            counted = 'grpc_method="test.Echo/Unary",grpc_status="INVALID_ARGUMENT"} 1.0'
            await until(lambda: counted in scrape(running, "/metrics"))

    run(test)


def test_health_answers_for_the_server_and_each_service() -> None:
    async def test() -> None:
        async with served(Echo(silent)) as (_, channel):
            health = health_pb2_grpc.HealthStub(channel)
            for service in ("", SERVICE):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING

    run(test)


def test_reflection_lists_the_services() -> None:
    async def test() -> None:
        async with served(Echo(silent)) as (_, channel):
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            ask = reflection_pb2.ServerReflectionRequest(list_services="")
            async for answer in stub.ServerReflectionInfo(iter([ask])):
                names = {service.name for service in answer.list_services_response.service}
                assert {SERVICE, "grpc.health.v1.Health"} <= names

    run(test)


def test_a_drain_finishes_what_runs_and_takes_nothing_new() -> None:
    async def test() -> None:
        running_call, finish = asyncio.Event(), asyncio.Event()

        async def wait(text: str) -> None:
            running_call.set()
            await finish.wait()

        async with served(Echo(wait), grace_s=DEADLINE_S) as (running, channel):
            unary = call(channel, "Unary", "unary_unary")
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            first = asyncio.ensure_future(unary(request(), timeout=DEADLINE_S))
            await running_call.wait()
            drained = asyncio.Event()

            async def on_drain() -> None:
                drained.set()

            draining = asyncio.create_task(running.drain(on_drain))
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            await drained.wait()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await unary(request(), timeout=2)
            assert type(from_rpc_error(caught.value)) is errors.Unavailable
            finish.set()
            await first
            # A health watch would last for ever: it does not hold the drain back for the whole grace.
            await asyncio.wait_for(draining, DEADLINE_S / 2)

    run(test)


def test_a_second_drain_waits_for_the_first_and_does_not_drain_again() -> None:
    async def test() -> None:
        drained = 0

        async def on_drain() -> None:
            nonlocal drained
            drained += 1
            await asyncio.sleep(0.05)

        async with served(Echo(silent)) as (running, _):
            await asyncio.gather(running.drain(on_drain), running.drain(on_drain))
            assert drained == 1

    run(test)


def test_a_drain_cancels_what_outlives_the_grace() -> None:
    async def hang(text: str) -> None:
        await asyncio.Event().wait()

    async def test() -> None:
        async with served(Echo(hang), grace_s=0.2) as (running, channel):
            stream = call(channel, "Stream", "unary_stream")(request())
            await stream.read()
            await asyncio.wait_for(running.drain(), DEADLINE_S)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.read()
            assert type(from_rpc_error(caught.value)) is errors.Unavailable

    run(test)


def test_a_taken_port_is_named() -> None:
    async def test() -> None:
        async with served(Echo(silent)) as (running, _):
            with pytest.raises(errors.Unavailable) as caught:
                async with served(Echo(silent), port=running.ready.port):
                    pass
            assert str(running.ready.port) in caught.value.found

    run(test)
