"""What the sampler's own process makes of sessions that are rolled back, closed or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from apa.client import Client
from apa.errors import FailedPrecondition, NotFound
from apa.local.redis_server import RedisProcess
from apa.records.run_events import Progress
from apa.store.erasure import Erasure
from tests.apa.store.test_erasure import traces
from tests.sampler_service.service_process import RunningSampler, running_sampler
from tests.trainer_worker.world import TrainerWorld, write_prior
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def priors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("priors")
    write_prior(folder / "toy")
    return folder


@pytest.fixture(scope="module")
def sampler(
    redis_server: RedisProcess, priors: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSampler]:
    with running_sampler(tmp_path_factory.mktemp("sampler"), redis_server.url, priors) as running:
        yield running


@pytest.fixture
def client(sampler: RunningSampler, redis_client: redis.Redis) -> Iterator[Client]:
    with sampler.client() as connected:
        yield connected


@pytest.fixture
def world(redis_client: redis.Redis, tmp_path: Path) -> TrainerWorld:
    """The other services' part, on the same store."""
    return TrainerWorld(redis_client, tmp_path)


def learnt(world: TrainerWorld, session: str) -> str:
    """The version that a refit of more answers has published."""
    world.answer(session)
    world.refit(session)
    current = world.stores.surrogates.current(session)
    assert current is not None
    return current.version


def test_a_run_is_steered_by_the_pinned_version_until_it_is_released(
    client: Client, world: TrainerWorld
) -> None:
    session = world.session()
    old = learnt(world, session)
    world.stores.surrogates.pin(session, old)
    new = learnt(world, session)

    pinned = client.sample(session)
    world.stores.surrogates.release(session)
    released = client.sample(session)

    assert (pinned.slate.surrogate_version, pinned.started.surrogate_version) == (old, old)
    assert released.slate.surrogate_version == new != old


def test_a_pin_to_another_version_of_the_prior_asks_for_its_release(
    client: Client, world: TrainerWorld, priors: Path
) -> None:
    session = world.session(surrogate="linear")
    write_prior(world.priors / "toy", seed=1)
    world.stores.surrogates.pin(session, learnt(world, session))
    with pytest.raises(FailedPrecondition) as refused:
        client.sample(session)
    assert refused.value.field == "pinned_version"
    assert "release it" in refused.value.message


def test_a_closed_session_is_shown_no_slate_but_those_it_had(client: Client, world: TrainerWorld) -> None:
    session = world.session()
    shown = client.sample(session, request_id="before").slate
    world.stores.sessions.close(session)
    with pytest.raises(FailedPrecondition, match="closed"):
        client.sample(session)
    again = client.sample(session, request_id="before").slate
    assert [item.particle_id for item in again.items] == [item.particle_id for item in shown.items]


@pytest.mark.parametrize("end", ["closed", "deleted"])
def test_a_run_under_way_when_its_session_ends_stores_nothing(
    client: Client, world: TrainerWorld, end: str
) -> None:
    session = world.session(num_particles=512)
    learnt(world, session)
    events = client.sample_stream(session, sampling={"num_steps": 400}, progress_every=1)
    for event in events:
        if isinstance(event, Progress):
            break
    if end == "closed":
        world.stores.sessions.close(session)
    else:
        Erasure(world.client).user("default", "anonymous")
    with pytest.raises(FailedPrecondition if end == "closed" else NotFound):
        list(events)

    if end == "closed":
        wait_until(lambda: world.stores.sessions.ledger(session).reserved == 0, what="the release")
    else:
        assert traces(world.client, session) == []
