"""Prior folders that change while a sampler's own process serves them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import redis
import torch

from apa.client import Client
from apa.errors import NotFound
from apa.priors import load_prior
from apa.records.run_events import Finished, ParticleChunk, Progress, Started
from apa.records.sampling import SamplingConfig
from sampler_service import sample
from tests.sampler_service.service_process import running_sampler
from tests.trainer_worker.world import TrainerWorld, write_prior
from tests.waiting import wait_until

OPTIONS = {
    "num_steps": 500,
    "seed": 5,
    "corrector": "none",
    "integrator": "ancestral",
    "grid": "uniform",
    "t_start": 1.0,
}


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small tensors: a second thread of torch would mostly wait for the first."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _version(client: Client, name: str) -> str | None:
    return next((prior.content_hash for prior in client.list_priors() if prior.card.name == name), None)


@pytest.mark.usefixtures("one_thread")
def test_a_replaced_prior_serves_the_next_run_and_the_one_under_way_ends_on_the_old(
    redis_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "priors" / "toy"
    write_prior(folder, seed=0)
    old = load_prior(folder)
    long = {"APA_SAMPLER_MAX_PARTICLES": "4096", "APA_SAMPLER_MAX_STEPS": "1000"}
    long |= {"APA_SAMPLER_MAX_MESSAGE_BYTES": str(1024 * 1024)}
    with (
        running_sampler(tmp_path, redis_url, tmp_path / "priors", **long) as sampler,
        sampler.client() as client,
    ):
        events = client.sample_stream(prior="toy", num_particles=4096, sampling=OPTIONS, progress_every=1)
        assert isinstance(next(events), Started)
        assert isinstance(next(events), Progress)
        new = write_prior(folder, seed=1)
        wait_until(lambda: _version(client, "toy") == new.content_hash, 30, "the new version")
        assert sampler.measured("apa_requests_running") == 1.0, "the run was to be longer than the reload"
        rest = list(events)
        after = client.sample(prior="toy", num_particles=4, sampling=OPTIONS).particles

    assert isinstance(rest[-1], Finished)
    under_way = np.concatenate([event.x for event in rest if isinstance(event, ParticleChunk)])
    config = SamplingConfig.model_validate(OPTIONS)
    assert after is not None
    for prior, x in ((old, under_way), (new, after.x)):
        expected = sample(prior, None, config, num_particles=len(x)).x
        torch.testing.assert_close(torch.from_numpy(x.copy()), expected, atol=1e-3, rtol=1e-3)


def test_a_session_of_a_replaced_prior_becomes_due_and_is_served_again_after_its_refit(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    world = TrainerWorld(redis_client, tmp_path / "priors")
    session = world.session()
    world.answer(session)
    world.refit(session)
    before = world.stores.surrogates.current(session)
    with running_sampler(tmp_path, redis_url, tmp_path / "priors") as sampler, sampler.client() as client:
        assert before is not None
        assert client.sample(session).slate.surrogate_version == before.version
        new = write_prior(tmp_path / "priors" / "toy", seed=1)
        wait_until(lambda: _version(client, "toy") == new.content_hash, 30, "the new version")
        world.answer(session, count=5)
        world.refit(session)
        after = world.stores.surrogates.current(session)
        assert after is not None
        assert client.sample(session).slate.surrogate_version == after.version != before.version


def test_apa_up_serves_a_prior_that_is_added_to_its_directory(tmp_path: Path) -> None:
    priors = tmp_path / "priors"
    write_prior(priors / "toy")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("APA_", "REDIS_URL"))}
    apa = str(Path(sys.executable).with_name("apa"))
    command = [apa, "up", "--quiet", "--json", "--priors", str(priors)]
    stack = subprocess.Popen(command, env=kept, stdout=subprocess.PIPE, text=True)
    try:
        assert stack.stdout is not None
        found = json.loads("".join(iter(stack.stdout.readline, "}\n")) + "}")
        with Client(sampler=found["sampler"], feedback=found["feedback"]) as client:
            assert _version(client, "toy")
            with pytest.raises(NotFound):
                client.sample(prior="second", num_particles=4)
            new = write_prior(priors / "second", seed=1)
            wait_until(lambda: _version(client, "second") == new.content_hash, 30, "the new prior")
            assert client.sample(prior="second", num_particles=4).particles is not None
            session = client.create_session(prior="second", budget=8)
            assert client.sample(session.session_id).slate.items
    finally:
        stack.send_signal(signal.SIGINT)
        stack.wait(60)
