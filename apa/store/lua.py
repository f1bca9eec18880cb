"""The store's Lua scripts, and the bytes that Redis answers with."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import redis
from redis.commands.core import Script

from apa import keys


@cache
def _source(name: str) -> str:
    return files("apa.store").joinpath("scripts", f"{name}.lua").read_text()


def script(client: redis.Redis, *names: str) -> Script:
    """One script of these files put after each other: shared functions first, what uses them last."""
    return client.register_script("\n".join(_source(name) for name in names))


def budget_script(client: redis.Redis, name: str) -> Script:
    """A script that looks at a session's budget; its keys begin with `budget_keys`."""
    return script(client, "budget", name)


def budget_keys(session_id: str) -> list[str]:
    return [
        keys.ledger(session_id),
        keys.open_slates(session_id),
        keys.unanswered(session_id),
        keys.making(session_id),
    ]


def text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
