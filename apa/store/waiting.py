"""Slates that wait for their answers, and are given default rewards when the wait is over.

Nobody calls the ledger at that moment: whoever sweeps looks here.
"""

from __future__ import annotations

from dataclasses import dataclass

import redis

from apa import keys
from apa.store.connection import guarded
from apa.store.lua import budget_keys, budget_script, text
from apa.store.slates import waiting_member


@dataclass(frozen=True)
class WaitingSlate:
    session_id: str
    slate_id: str


class WaitingSlates:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._settle = budget_script(client, "settle_wait")

    @guarded
    def over(self, limit: int) -> list[WaitingSlate]:
        """Up to `limit` slates whose wait is over by the store's clock, those that waited longest first."""
        seconds, microseconds = self._client.time()
        now_ms = seconds * 1000 + microseconds // 1000
        pipeline = self._client.pipeline(transaction=False)
        for shard in range(keys.NUM_SHARDS):
            pipeline.zrangebyscore(keys.waiting(shard), "-inf", now_ms, 0, limit, withscores=True)
        found = sorted((since, text(name)) for rows in pipeline.execute() for name, since in rows)
        return [WaitingSlate(*name.split("/", 1)) for _, name in found[:limit]]

    @guarded
    def settle(self, waiting: WaitingSlate) -> None:
        """Ends a wait, once or again: the slate is a finished round, and what it still reserves is free."""
        session_id = waiting.session_id
        self._settle(
            keys=[*budget_keys(session_id), keys.waiting(keys.shard_of(session_id))],
            args=[waiting.slate_id, waiting_member(session_id, waiting.slate_id)],
        )
