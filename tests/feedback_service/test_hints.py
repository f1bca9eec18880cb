from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest
import redis

from apa.local.redis_server import RedisProcess, free_port
from feedback_service import hints as module
from feedback_service.hints import Hints
from tests.waiting import wait_until


def sessions_hinted(client: redis.Redis) -> list[str]:
    messages = [json.loads(raw) for raw in client.lrange("celery", 0, -1)]
    return [json.loads(base64.b64decode(message["body"]))[0][0] for message in messages]


def never() -> None:
    raise AssertionError("a hint was lost")


def test_each_session_of_a_call_is_hinted_at(redis_server: RedisProcess, redis_client: redis.Redis) -> None:
    hints = Hints(redis_server.url, never)

    hints.send(["a", "b"])

    wait_until(lambda: sorted(sessions_hinted(redis_client)) == ["a", "b"], what="both hints")
    hints.close()


def test_hints_that_wait_are_not_doubled_and_beyond_the_bound_are_lost(
    redis_server: RedisProcess, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = threading.Semaphore(0)
    hints = Hints(redis_server.url, lost.release)
    monkeypatch.setattr(module, "MAX_PENDING", 2)
    may_go, started = threading.Event(), threading.Event()
    sent: list[str] = []

    def slow_broker(name: str, args: list[Any], **options: Any) -> None:
        started.set()
        assert may_go.wait(10)
        sent.extend(args)

    monkeypatch.setattr(hints._celery, "send_task", slow_broker)
    hints.send(["first"])
    assert started.wait(10)

    hints.send(["a", "a", "b", "c", "a"])
    assert lost.acquire(timeout=10), "c is beyond the bound"
    assert not lost.acquire(blocking=False)

    may_go.set()
    wait_until(lambda: sent == ["first", "a", "b"], what="the waiting hints")
    hints.close()


def test_a_broker_that_is_away_loses_the_hint_and_raises_nothing() -> None:
    lost = threading.Event()
    hints = Hints(f"redis://127.0.0.1:{free_port()}/0", lost.set, timeout_s=0.2)

    hints.send(["a"])

    assert lost.wait(10)
    hints.close()
