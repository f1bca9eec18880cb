"""Masks on `Sample` of the sampler's own process: what a slate holds, and which request it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from apa.client import Client
from apa.errors import AlreadyExists, InvalidArgument
from apa.local.redis_server import RedisProcess
from tests.sampler_service.service_process import RunningSampler, running_sampler
from tests.sampler_service.shop import write_shop
from tests.trainer_worker.world import TrainerWorld, write_prior

SOME = [f"i{n}" for n in range(12)]


@pytest.fixture(scope="module")
def sampler(redis_server: RedisProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSampler]:
    folder = tmp_path_factory.mktemp("masked")
    write_prior(folder / "priors" / "toy")
    write_shop(folder / "priors" / "shop")
    with running_sampler(folder, redis_server.url, folder / "priors") as running:
        yield running


@pytest.fixture
def client(sampler: RunningSampler, redis_client: redis.Redis) -> Iterator[Client]:
    with sampler.client() as connected:
        yield connected


@pytest.fixture
def world(redis_client: redis.Redis, tmp_path: Path) -> TrainerWorld:
    write_shop(tmp_path / "shop")
    return TrainerWorld(redis_client, tmp_path)


def shown(client: Client, session: str, **masks: object) -> list[str]:
    items = client.sample(session, **masks).slate.items  # type: ignore[arg-type]
    return [item.item.item_id for item in items if item.item is not None]


def test_a_slate_is_of_the_candidates_without_what_is_blocked_or_seen(
    client: Client, world: TrainerWorld
) -> None:
    session = world.session(prior="shop", particles_per_round=8, num_particles=32)
    first = shown(client, session, only_item_ids=SOME, exclude_item_ids=SOME[:3])
    assert len(set(first)) == 8
    assert set(first) <= set(SOME[3:])
    world.answer(session)
    world.refit(session)
    # One is left; then none, and the slate is empty as it is once everything was seen.
    assert set(shown(client, session, only_item_ids=SOME[3:])) == set(SOME[3:]) - set(first)
    assert shown(client, session, only_item_ids=SOME[3:]) == []
    assert shown(client, session, only_item_ids=["unknown"]) == []
    assert not set(shown(client, session, exclude_item_ids=SOME)) & set(SOME)


def test_a_retry_with_another_mask_is_another_request(client: Client, world: TrainerWorld) -> None:
    session = world.session(prior="shop")
    first = shown(client, session, request_id="r", exclude_item_ids=["i0", "i1"])
    assert shown(client, session, request_id="r", exclude_item_ids=["i1", "i0"]) == first
    for other in ({"exclude_item_ids": ["i0"]}, {}, {"only_item_ids": ["i0", "i1"]}):
        with pytest.raises(AlreadyExists) as refused:
            shown(client, session, request_id="r", **other)
        assert refused.value.field == "request_id"
        assert "item_ids: " in refused.value.found


def test_masks_are_refused_where_no_items_are_shown(client: Client, world: TrainerWorld) -> None:
    session = world.session(prior="toy")
    for masks in ({"exclude_item_ids": ["i0"]}, {"only_item_ids": ["i0"]}):
        for run in ({"session_id": session}, {"prior": "shop"}):
            with pytest.raises(InvalidArgument) as refused:
                client.sample(**run, **masks)  # type: ignore[arg-type]
            assert refused.value.field in masks
    assert world.stores.sessions.ledger(session).reserved == 0
    with pytest.raises(InvalidArgument) as refused:
        client.sample(session, exclude_item_ids=["i0"] * 10_001)
    assert (refused.value.field, refused.value.found) == ("exclude_item_ids", "10001")
