"""One way to reach Redis, and one meaning for its being away."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from apa.errors import Unavailable

RETRY_AFTER_S = 1.0

Client = redis.Redis
"""What every store is made of; services name it without knowing Redis."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


def connect(url: str, *, timeout_s: float = 5.0) -> redis.Redis:
    """A client of the server at `url`; nothing is sent until the first command.

    A broken connection is tried again twice within a quarter of a second. That may send a command twice,
    so every script of the store gives the same answer to the same call.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 2, supported_errors=(redis.ConnectionError,)),
    )


def unavailable(error: redis.RedisError) -> Unavailable:
    """What a caller is told of a failed command. The error's text stays in the cause: it may name hosts."""
    return Unavailable(
        "the store cannot be used at the moment",
        field="redis",
        expected="a Redis server that answers and has memory left",
        found=type(error).__name__,
        retry_after_s=RETRY_AFTER_S,
    )


def guarded(call: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorates a store's method: what Redis raises becomes Unavailable, a full server included."""

    @wraps(call)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return call(*args, **kwargs)
        except redis.RedisError as error:
            raise unavailable(error) from error

    return wrapper


@guarded
def ping(client: redis.Redis) -> None:
    """Raises Unavailable unless the server answers."""
    client.ping()


@guarded
def server_pid(client: redis.Redis) -> int:
    """Which process answers. Raises Unavailable when none does."""
    return int(client.info("server")["process_id"])
