"""Which sessions are due for a refit, and who is doing it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import redis

from apa import keys
from apa.records.session import RefitFailure
from apa.store.connection import guarded
from apa.store.lua import milliseconds, script, text

_CHUNK = 256
"""Sessions whose leases are looked at in one round trip."""


@dataclass(frozen=True)
class Lease:
    """The right to refit a session, for a while. A later `token` beats an earlier one."""

    session_id: str
    owner: str
    token: int


class DueStore:
    """The due set is the truth; a message to a worker is only a hint."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._mark = script(client, "mark_due")
        self._acquire = script(client, "acquire_lease")
        self._take = script(client, "if_due", "acquire_lease")
        self._settle = script(client, "settle_lease")
        self._fail = script(client, "record_failure")

    @guarded
    def due(self, limit: int) -> list[str]:
        """Up to `limit` sessions due for a refit, those waiting longest first, those that rest last."""
        waiting, resting = self._read(limit)
        return (waiting + resting)[:limit]

    @guarded
    def free(self, limit: int) -> list[str]:
        """The same, without those that rest or that somebody refits now."""
        waiting, _ = self._read(limit)
        found: list[str] = []
        for start in range(0, len(waiting), _CHUNK):
            found += self._unleased(waiting[start : start + _CHUNK])
            if len(found) >= limit:
                break
        return found[:limit]

    @guarded
    def is_free(self, session_id: str) -> bool:
        """Whether the session is due, and neither rests nor is refitted now."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.zscore(keys.due(keys.shard_of(session_id)), session_id)
        pipeline.exists(keys.lease(session_id))
        now, since, leased = pipeline.execute()
        return since is not None and since <= _in_ms(now) and not leased

    def _read(self, limit: int) -> tuple[list[str], list[str]]:
        """At least the first `limit` due sessions, if there are so many: who waits, and who rests."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        for shard in range(keys.NUM_SHARDS):
            pipeline.zrange(keys.due(shard), 0, limit - 1, withscores=True)
        now, *shards = pipeline.execute()
        rows = sorted((since, text(name)) for rows in shards for name, since in rows)
        num_waiting = sum(since <= _in_ms(now) for since, _ in rows)
        names = [name for _, name in rows]
        return names[:num_waiting], names[num_waiting:]

    def _unleased(self, session_ids: Sequence[str]) -> list[str]:
        pipeline = self._client.pipeline(transaction=False)
        for session_id in session_ids:
            pipeline.exists(keys.lease(session_id))
        return [name for name, leased in zip(session_ids, pipeline.execute(), strict=True) if not leased]

    @guarded
    def count(self) -> int:
        pipeline = self._client.pipeline(transaction=False)
        for shard in range(keys.NUM_SHARDS):
            pipeline.zcard(keys.due(shard))
        return sum(pipeline.execute())

    @guarded
    def mark(self, session_id: str) -> None:
        """Makes the session due; one that is due already keeps its place, one that is not there is left."""
        self._mark(keys=[keys.due(keys.shard_of(session_id)), keys.session(session_id)], args=[session_id])

    @guarded
    def acquire(self, session_id: str, ttl_s: float) -> Lease | None:
        """The lease of the session's refit, or None while somebody else has it, or the session is gone."""
        owner = secrets.token_hex(8)
        token = int(
            self._acquire(
                keys=[keys.lease(session_id), keys.fence(session_id), keys.session(session_id)],
                args=[owner, milliseconds(ttl_s)],
            )
        )
        return Lease(session_id, owner, token) if token else None

    @guarded
    def take(self, session_ids: Sequence[str], ttl_s: float) -> list[Lease]:
        """The leases of those that are due, not resting, and nobody else's, in one round trip."""
        owner = secrets.token_hex(8)
        pipeline = self._client.pipeline(transaction=False)
        for session_id in session_ids:
            self._take(
                keys=[
                    keys.lease(session_id),
                    keys.fence(session_id),
                    keys.session(session_id),
                    keys.due(keys.shard_of(session_id)),
                ],
                args=[owner, milliseconds(ttl_s), session_id],
                client=pipeline,
            )
        tokens = pipeline.execute()
        return [Lease(name, owner, token) for name, token in zip(session_ids, tokens, strict=True) if token]

    @guarded
    def settle(self, lease: Lease, trained_events: int) -> bool:
        """Ends the lease. True when the session is thereby no longer due.

        It stays due when answers arrived during the refit, and when the lease had passed to somebody else.
        """
        return bool(self._end(lease, trained_events))

    @guarded
    def settle_many(self, leases: Sequence[tuple[Lease, int]]) -> None:
        """`settle` of each lease with its trained events, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for lease, trained_events in leases:
            self._end(lease, trained_events, pipeline)
        pipeline.execute()

    @guarded
    def fail(self, lease: Lease, failure: RefitFailure, rest_s: float | None) -> bool:
        """Keeps why the refit failed, until one succeeds, and ends its lease. False when a later one began.

        Unless answers have come that it was not fitted on, the session is due again only after `rest_s`, or
        with its next answer; None: not before that.
        """
        session_id = lease.session_id
        return bool(
            self._fail(
                keys=[
                    keys.refit_failure(session_id),
                    keys.fence(session_id),
                    keys.lease(session_id),
                    keys.ledger(session_id),
                    keys.due(keys.shard_of(session_id)),
                ],
                args=[
                    lease.token,
                    failure.model_dump_json(),
                    lease.owner,
                    session_id,
                    failure.num_events,
                    "" if rest_s is None else milliseconds(rest_s),
                ],
            )
        )

    @guarded
    def release(self, lease: Lease) -> None:
        """Ends the lease of a refit that came to nothing; the session stays due."""
        self._end(lease, -1)

    def _end(self, lease: Lease, trained_events: int, client: redis.client.Pipeline | None = None) -> object:
        session_id = lease.session_id
        return self._settle(
            keys=[
                keys.lease(session_id),
                keys.ledger(session_id),
                keys.due(keys.shard_of(session_id)),
                keys.refit_failure(session_id),
            ],
            args=[lease.owner, session_id, trained_events],
            client=client,
        )


def _in_ms(now: tuple[int, int]) -> int:
    """What TIME answers, seconds and microseconds."""
    return now[0] * 1000 + now[1] // 1000
