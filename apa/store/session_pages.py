"""Paging through the sessions of all shards, in the order of shard, tenant, user and session id."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import quote, unquote

import redis

from apa import keys
from apa.errors import InvalidArgument
from apa.records.session import Session
from apa.store.lua import text

MAX_PAGE_SIZE = 1000


def member(session: Session) -> str:
    """How the index names a session. No part contains "/": a prefix ends where a part ends."""
    return f"{session.tenant}/{quote(session.user_id, safe='')}/{session.session_id}"


def session_id_of(found: str) -> str:
    return found.rsplit("/", 1)[1]


def page(
    client: redis.Redis, tenant: str, user_id: str, page_size: int, page_token: str
) -> tuple[list[str], str]:
    """Up to `page_size` members that match, and the token of the next page."""
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidArgument(
            "the page size is out of range",
            field="page_size",
            expected=f"1 to {MAX_PAGE_SIZE}",
            found=str(page_size),
        )
    cursor = _Cursor.parsed(page_token)
    if user_id and not tenant:
        return _filtered(client, user_id, page_size, cursor)
    found = _after(client, cursor, _prefix(tenant, user_id), page_size + 1)
    more = len(found) > page_size
    found = found[:page_size]
    return [name for _, name in found], _Cursor(*found[-1]).token() if more else ""


def _filtered(client: redis.Redis, user_id: str, page_size: int, cursor: _Cursor) -> tuple[list[str], str]:
    # A user without a tenant is not a prefix of the index, so everything is read, a page at a time.
    matching: list[tuple[int, str]] = []
    while len(matching) <= page_size:
        found = _after(client, cursor, "", MAX_PAGE_SIZE)
        if not found:
            break
        matching += [place for place in found if unquote(place[1].split("/")[1]) == user_id]
        cursor = _Cursor(*found[-1])
    more = len(matching) > page_size
    matching = matching[:page_size]
    return [name for _, name in matching], _Cursor(*matching[-1]).token() if more else ""


def _prefix(tenant: str, user_id: str) -> str:
    if not tenant:
        return ""
    return f"{tenant}/{quote(user_id, safe='')}/" if user_id else f"{tenant}/"


def _after(client: redis.Redis, cursor: _Cursor, prefix: str, limit: int) -> list[tuple[int, str]]:
    """The next members with the prefix, each with its shard."""
    shards = range(cursor.shard, keys.NUM_SHARDS)
    pipeline = client.pipeline(transaction=False)
    for shard in shards:
        start = f"[{prefix}" if prefix else "-"
        if shard == cursor.shard and cursor.last >= prefix and cursor.last:
            start = f"({cursor.last}"
        # "0" follows "/": the first string after everything that begins with the prefix.
        end = f"({prefix[:-1]}0" if prefix else "+"
        pipeline.zrange(keys.sessions(shard), start, end, bylex=True, offset=0, num=limit)
    rows = zip(shards, pipeline.execute(), strict=True)
    return [(shard, text(name)) for shard, names in rows for name in names][:limit]


@dataclass(frozen=True)
class _Cursor:
    """The last place that was given out; an opaque token to callers."""

    shard: int = 0
    last: str = ""

    def token(self) -> str:
        return base64.urlsafe_b64encode(f"{self.shard}/{self.last}".encode()).decode()

    @classmethod
    def parsed(cls, token: str) -> _Cursor:
        if not token:
            return cls()
        try:
            shard, last = (
                base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode().split("/", 1)
            )
            cursor = cls(int(shard), last)
        except (binascii.Error, ValueError):
            cursor = cls(-1)
        if not 0 <= cursor.shard < keys.NUM_SHARDS or cursor.last.count("/") != 2:
            raise InvalidArgument(
                "the page token is not one of this list",
                field="page_token",
                expected="a next_page_token as it was returned, or nothing for the first page",
                found=token[:64],
            )
        return cursor
