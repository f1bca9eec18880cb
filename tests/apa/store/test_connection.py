from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apa.errors import Unavailable
from apa.local.redis_server import RedisProcess, start_server
from apa.records.session import Ledger
from apa.store.connection import connect, ping
from apa.store.sessions import SessionStore
from tests.apa.store.world import World, a_session, an_answer
from tests.waiting import wait_until


@pytest.fixture
def own_server(redis_program: Path, tmp_path: Path) -> Iterator[RedisProcess]:
    """A server that the test may stop, kill and fill."""
    server = start_server(tmp_path, server=redis_program)
    yield server
    server.stop()


def test_connecting_sends_nothing() -> None:
    connect("redis://127.0.0.1:1/0")


def test_a_server_that_is_away_is_unavailable_without_naming_its_password() -> None:
    client = connect("redis://:secret@127.0.0.1:1/0", timeout_s=0.2)

    with pytest.raises(Unavailable) as away:
        SessionStore(client).get("s1")

    assert away.value.field == "redis"
    assert away.value.retry_after_s == 1.0
    assert "secret" not in str(away.value)


def test_what_was_acknowledged_survives_a_killed_server_and_the_same_stores_go_on(
    own_server: RedisProcess, redis_program: Path, tmp_path: Path
) -> None:
    world = World(connect(own_server.url))
    slate = world.show()
    world.answer(slate, 0)
    own_server.process.kill()
    own_server.process.wait()
    with pytest.raises(Unavailable):
        world.answer(slate, 1)

    port = int(own_server.url.rsplit(":", 1)[1].split("/")[0])
    again = start_server(tmp_path, port, server=redis_program)
    try:
        assert world.answer(slate, 0).duplicate
        assert world.answer(slate, 1).sequence == 2
        assert world.totals().spent == 2
        assert world.due.due(10) == ["s1"]
    finally:
        again.stop()


def test_a_restarted_server_that_forgot_the_scripts_is_given_them_again(world: World) -> None:
    slate = world.show()
    world.client.script_flush()

    assert world.ledger.record_many([an_answer(slate.items[0].particle_id)])[0]
    world.client.script_flush()
    assert world.answer(slate, 1).sequence == 2


def test_a_full_server_refuses_and_accepts_nothing_by_halves(own_server: RedisProcess) -> None:
    client = connect(own_server.url)
    world = World(client)
    slate = world.show()
    client.config_set("maxmemory", "1")

    for call in (
        lambda: world.answer(slate, 0),
        lambda: world.sessions.create(a_session("s2")),
        lambda: world.reserve(),
        lambda: world.due.mark("s1"),
    ):
        with pytest.raises(Unavailable):
            call()
    assert world.totals() == Ledger(reserved=4)

    client.config_set("maxmemory", "0")
    assert world.answer(slate, 0).sequence == 1


def test_a_hanging_server_is_unavailable_after_the_timeout(own_server: RedisProcess) -> None:
    client = connect(own_server.url, timeout_s=0.2)
    ping(client)
    connect(own_server.url).client_pause(1000, all=True)

    with pytest.raises(Unavailable):
        ping(client)

    def answers() -> bool:
        try:
            ping(client)
        except Unavailable:
            return False
        return True

    wait_until(answers, what="an answer after the pause")
