"""The probe against real servers: the exit code is what a container's health check reads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc
from prometheus_client import CollectorRegistry

from apa.rpc import probe
from apa.rpc.metrics_http import MetricsServer


@dataclass(frozen=True)
class Served:
    address: str
    health: health.HealthServicer


@pytest.fixture
def served() -> Iterator[Served]:
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield Served(f"127.0.0.1:{port}", servicer)
    server.stop(None).wait()


def test_a_server_that_serves_is_healthy(served: Served) -> None:
    assert probe.main([served.address]) == 0


def test_a_server_that_drains_is_not(served: Served) -> None:
    served.health.enter_graceful_shutdown()
    assert probe.main([served.address]) == 1


def test_nobody_at_the_address_is_not_healthy(served: Served) -> None:
    assert probe.main(["127.0.0.1:1"], timeout_s=1.0) == 1
    assert probe.main(["http://127.0.0.1:1/healthz"], timeout_s=1.0) == 1


@pytest.mark.parametrize(("healthy", "code"), [(True, 0), (False, 1)])
def test_a_worker_answers_over_http(healthy: bool, code: int) -> None:
    server = MetricsServer("127.0.0.1", 0, CollectorRegistry(), lambda: healthy)
    try:
        assert probe.main([f"http://127.0.0.1:{server.port}/healthz"]) == code
    finally:
        server.close()


def test_without_an_address_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main([]) == 2
    assert "HOST:PORT" in capsys.readouterr().err
