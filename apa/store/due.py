"""Which sessions are due for a refit, and who is doing it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import redis

from apa import keys
from apa.records.session import RefitFailure
from apa.store.connection import guarded
from apa.store.lua import milliseconds, script, text


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
        self._settle = script(client, "settle_lease")
        self._fail = script(client, "record_failure")

    @guarded
    def due(self, limit: int) -> list[str]:
        """Up to `limit` sessions due for a refit, those waiting longest first."""
        pipeline = self._client.pipeline(transaction=False)
        for shard in range(keys.NUM_SHARDS):
            pipeline.zrange(keys.due(shard), 0, limit - 1, withscores=True)
        waiting = [(since, text(name)) for rows in pipeline.execute() for name, since in rows]
        return [name for _, name in sorted(waiting)[:limit]]

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
    def settle(self, lease: Lease, trained_events: int) -> bool:
        """Ends the lease. True when the session is thereby no longer due.

        It stays due when answers arrived during the refit, and when the lease had passed to somebody else.
        """
        return bool(self._end(lease, trained_events))

    @guarded
    def fail(self, lease: Lease, failure: RefitFailure) -> bool:
        """Keeps why the refit failed, until one succeeds; its lease goes on. False when a later one began."""
        session_id = lease.session_id
        return bool(
            self._fail(
                keys=[keys.refit_failure(session_id), keys.fence(session_id)],
                args=[lease.token, failure.model_dump_json()],
            )
        )

    @guarded
    def release(self, lease: Lease) -> None:
        """Ends the lease of a refit that came to nothing; the session stays due."""
        self._end(lease, -1)

    def _end(self, lease: Lease, trained_events: int) -> object:
        session_id = lease.session_id
        return self._settle(
            keys=[
                keys.lease(session_id),
                keys.ledger(session_id),
                keys.due(keys.shard_of(session_id)),
                keys.refit_failure(session_id),
            ],
            args=[lease.owner, session_id, trained_events],
        )
