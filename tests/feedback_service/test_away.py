"""What is left when a part is away, and what comes back with it."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from apa.errors import Unavailable
from apa.local.redis_server import RedisProcess, free_port, start_server
from apa.store.connection import connect
from tests.apa.store.world import World
from tests.feedback_service.processes import event, refused, running_service
from tests.waiting import wait_until


def test_with_redis_away_calls_are_unavailable_and_work_again_once_it_is_back(
    redis_program: Path, tmp_path: Path
) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with running_service(tmp_path, url) as service:
        error = refused(Unavailable, service.create)
        assert (error.field, error.retry_after_s) == ("redis", 1.0)

        server = start_server(tmp_path / "redis", port, server=redis_program)
        slate = World(connect(url)).show(num_items=2)
        one, two = (event(item.particle_id) for item in slate.items)
        assert service.record(one)[0].sequence == 1

        server.process.kill()
        server.process.wait()
        refused(Unavailable, lambda: service.record(one, two))

        server = start_server(tmp_path / "redis", port, server=redis_program)
        again, new = service.record(one, two)
        assert (again.duplicate, new.sequence) == (True, 2)
        wait_until(lambda: connect(url).llen("celery"), what="a hint by the broker that is back")
        server.stop()


def test_with_the_broker_away_answers_are_accepted_at_once_and_lost_hints_are_counted(
    redis_server: RedisProcess, redis_client: redis.Redis, tmp_path: Path
) -> None:
    world = World(redis_client)
    slate = world.show(num_items=2)
    away = f"redis://127.0.0.1:{free_port()}/0"
    with running_service(tmp_path, redis_server.url, APA_FEEDBACK_BROKER_URL=away) as service:
        before = time.monotonic()
        assert service.record(event(slate.items[0].particle_id))[0].sequence == 1
        assert time.monotonic() - before < 2.0

        wait_until(lambda: "apa_refit_hints_lost_total 1.0" in service.metrics(), what="the count")
        assert service.record(event(slate.items[1].particle_id))[0].sequence == 2

        service.process.terminate()
        assert service.process.wait(20) == 0, "it drains, with the broker away too"
    assert world.due.due(10) == ["s1"], "the sweep finds what the hint would have said"
