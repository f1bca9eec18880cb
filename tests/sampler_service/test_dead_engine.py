"""A sampler whose engine dies: nobody hangs, its health says so, and the process ends to be started again."""

from __future__ import annotations

import threading
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from apa.errors import Unavailable
from apa.local.redis_server import RedisProcess
from apa.priors import GaussianMixturePrior, save_prior
from tests.sampler_service.problems import two_modes
from tests.sampler_service.service_process import running_sampler
from tests.waiting import wait_until


def _watch(address: str, heard: list[int]) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            heard.extend(answer.status for answer in stub.Watch(health_pb2.HealthCheckRequest(), timeout=30))
        except grpc.RpcError:
            return


def test_a_dead_engine_ends_the_process_and_every_call(redis_server: RedisProcess, tmp_path: Path) -> None:
    prior = two_modes(2)
    assert isinstance(prior, GaussianMixturePrior)
    save_prior(prior, tmp_path / "priors" / "mixture")
    heard: list[int] = []
    with running_sampler(
        tmp_path, redis_server.url, tmp_path / "priors", "tests.sampler_service.dying_sampler"
    ) as sampler:
        watching = threading.Thread(target=_watch, args=(sampler.address, heard))
        watching.start()
        wait_until(lambda: bool(heard), what="the first word of its health")
        with sampler.client(retry_for_s=0.0) as client, pytest.raises(Unavailable):
            client.sample(prior="mixture", num_particles=4, timeout_s=20.0)
        assert sampler.process.wait(20) == 1
        watching.join(30)
    serving = health_pb2.HealthCheckResponse
    assert heard == [serving.SERVING, serving.NOT_SERVING]
