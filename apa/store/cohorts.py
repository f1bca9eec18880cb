"""What the members of a cohort taught: one share of each session, by shard."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from apa import keys
from apa.store.connection import guarded
from apa.store.lua import text

READ_OF_SHARD = 8
"""Members of a shard that are read at most, drawn at random: 512 of all."""


@dataclass(frozen=True)
class CohortName:
    """Whose heads can be compared.

    Attributes:
        digest: of what makes them comparable; others of the same name are another cohort.
    """

    tenant: str
    name: str
    digest: str


@dataclass(frozen=True)
class Membership:
    """A session's share of a cohort, to be kept with the surrogate that it was learnt beside."""

    cohort: CohortName
    share: bytes


class CohortStore:
    """Shares are written by `SurrogateStore.publish_many` and removed by `Erasure`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    @guarded
    def shares(self, cohort: CohortName) -> dict[str, bytes]:
        """Of up to 512 members, by session, in one round trip; in the order of their ids."""
        pipeline = self._client.pipeline(transaction=False)
        for shard in range(keys.NUM_SHARDS):
            pipeline.hrandfield(keys.cohort(shard, *_parts(cohort)), READ_OF_SHARD, withvalues=True)
        found: dict[str, bytes] = {}
        for flat in pipeline.execute():
            # Pairs in RESP3, one after the other in RESP2.
            nested = bool(flat) and isinstance(flat[0], list)
            pairs = flat if nested else zip(flat[::2], flat[1::2], strict=True)
            found |= {text(session_id): bytes(share) for session_id, share in pairs}
        return dict(sorted(found.items()))


def key_of(session_id: str, cohort: CohortName) -> str:
    """Where the session's share is kept."""
    return keys.cohort(keys.shard_of(session_id), *_parts(cohort))


def _parts(cohort: CohortName) -> tuple[str, str, str]:
    return cohort.tenant, cohort.name, cohort.digest
