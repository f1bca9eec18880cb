from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from apa.local.redis_server import RedisProcess
from tests.apa.store.world import World
from tests.feedback_service.processes import Service, running_service


@pytest.fixture(scope="package")
def shared_service(redis_server: RedisProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One process for all tests; it keeps nothing between calls."""
    with running_service(tmp_path_factory.mktemp("feedback"), redis_server.url) as service:
        yield service


@pytest.fixture
def service(shared_service: Service, redis_client: redis.Redis) -> Service:
    """The service on an empty store."""
    return shared_service


@pytest.fixture
def world(redis_client: redis.Redis) -> World:
    """What a sampler would do beside it, to the session `s1` of budget 10."""
    return World(redis_client)
