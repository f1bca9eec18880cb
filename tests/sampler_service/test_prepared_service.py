"""Prepared runs in the sampler's own process: the next slate after a publication is of the run made ahead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from apa.client import Client
from apa.local.redis_server import RedisProcess
from apa.records.feedback import Feedback, ScalarAnswer
from tests.sampler_service.service_process import RunningSampler, running_sampler
from tests.trainer_worker.world import TrainerWorld, write_prior
from tests.waiting import wait_until

ADMITTED = "apa_request_queue_seconds_count"


@pytest.fixture(scope="module")
def sampler(redis_server: RedisProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSampler]:
    folder = tmp_path_factory.mktemp("prepared")
    write_prior(folder / "priors" / "toy")
    with running_sampler(
        folder, redis_server.url, folder / "priors", APA_SAMPLER_PREPARE="true", APA_SAMPLER_ROUTE="steer"
    ) as running:
        yield running


@pytest.fixture
def client(sampler: RunningSampler, redis_client: redis.Redis) -> Iterator[Client]:
    with sampler.client() as connected:
        yield connected


def test_the_slate_after_a_refit_is_of_the_run_made_ahead(
    client: Client, sampler: RunningSampler, redis_client: redis.Redis, tmp_path: Path
) -> None:
    world = TrainerWorld(redis_client, tmp_path)
    session = world.session("served")
    first = client.sample(session)
    assert not first.started.prepared
    for item in first.slate.items:
        answer = ScalarAnswer(particle_id=item.particle_id, reward=1.0)
        world.stores.ledger.record(
            Feedback(feedback_id=f"f-{item.particle_id}", session_id=session, answer=answer)
        )
    before = sampler.measured(ADMITTED)
    world.refit(session)
    wait_until(lambda: sampler.measured(ADMITTED) > before, 30, "the run made ahead")

    second = client.sample(session, request_id="second")

    assert second.started.prepared
    assert second.started.surrogate_version
    assert second.started.sampling.seed is not None
    assert len(second.slate.items) == 8
    assert second.finished.denoiser_evaluations > 0
    assert sampler.measured(ADMITTED) == before + 1, "no other run was started"
    assert world.stores.sessions.ledger(session).reserved == 8
    assert client.sample(session, request_id="second").started.replayed
    third = client.sample(session)
    assert not third.started.prepared
