from __future__ import annotations

import pytest
import redis

from tests.apa.store.world import World


@pytest.fixture
def world(redis_client: redis.Redis) -> World:
    """An empty store with one session, `s1`, of budget 10."""
    return World(redis_client)
