"""Many sessions in one round trip: each gets its own result, or its own error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import redis

from apa.errors import ApaError
from apa.store.connection import unavailable

A = TypeVar("A")
T = TypeVar("T")


def outcomes(asked: Sequence[A], replies: Sequence[Any], read: Callable[[A, Any], T]) -> list[T | ApaError]:
    """What was found for each; one that cannot be read does not touch the others.

    Args:
        replies: of a pipeline's `execute(raise_on_error=False)`, one for each of `asked`.
    """
    return [_outcome(one, reply, read) for one, reply in zip(asked, replies, strict=True)]


def _outcome(asked: A, reply: Any, read: Callable[[A, Any], T]) -> T | ApaError:
    if isinstance(reply, redis.RedisError):
        return unavailable(reply)
    try:
        return read(asked, reply)
    except ApaError as error:
        return error
