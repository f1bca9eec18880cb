"""Shown particles: one key each, so that no script ever copies a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import redis
from redis.typing import EncodableT

from apa import keys
from apa.errors import ApaError, DataLoss, NotFound
from apa.records.particle import Particle
from apa.store.connection import unavailable
from apa.store.lua import text
from apa.store.many import outcomes

DTYPE = "<f4"

Wanted = tuple[str, Sequence[str]]
"""A session, and particles of it, by their ids."""


def queue_write(
    pipeline: redis.client.Pipeline, session_id: str, particle: Particle, expires_ms: int
) -> None:
    """Queues the write of one particle that expires at `expires_ms` of the Unix epoch."""
    key = keys.particle(session_id, particle.particle_id)
    fields: dict[EncodableT, EncodableT] = {
        "slate_id": particle.slate_id,
        "dtype": DTYPE,
        "shape": ",".join(str(length) for length in particle.x.shape),
        "data": particle.x.astype(DTYPE).tobytes(),
    }
    pipeline.hset(key, mapping=fields)
    pipeline.pexpireat(key, expires_ms)


def read(client: redis.Redis, session_id: str, particle_ids: Sequence[str]) -> list[Particle]:
    (found,) = read_many(client, [(session_id, particle_ids)])
    if isinstance(found, ApaError):
        raise found
    return found


def read_many(client: redis.Redis, wanted: Sequence[Wanted]) -> list[list[Particle] | ApaError]:
    """The particles of several sessions, in one round trip."""
    pipeline = client.pipeline(transaction=False)
    for session_id, particle_ids in wanted:
        for particle_id in particle_ids:
            pipeline.hgetall(keys.particle(session_id, particle_id))
    replies = iter(pipeline.execute(raise_on_error=False))
    rows = [[next(replies) for _ in particle_ids] for _, particle_ids in wanted]
    return outcomes(wanted, rows, _particles)


def _particles(wanted: Wanted, rows: Sequence[Any]) -> list[Particle]:
    return [_decoded(particle_id, fields) for particle_id, fields in zip(wanted[1], rows, strict=True)]


def _decoded(particle_id: str, fields: dict[bytes, bytes] | redis.RedisError) -> Particle:
    if isinstance(fields, redis.RedisError):
        raise unavailable(fields)
    if not fields:
        raise NotFound(
            "no such particle, or it has expired",
            field="particle_id",
            expected="a particle that was shown in this session",
            found=particle_id,
        )
    try:
        shape = tuple(int(length) for length in text(fields[b"shape"]).split(",") if length)
        x = np.frombuffer(fields[b"data"], dtype=text(fields[b"dtype"])).reshape(shape)
        return Particle(particle_id, text(fields[b"slate_id"]), x.astype(np.float32))
    except (KeyError, TypeError, ValueError) as error:
        raise DataLoss("a stored particle cannot be read", field="particle_id", found=particle_id) from error


def read_kept(client: redis.Redis, session_id: str, particle_ids: Sequence[str]) -> list[Particle | None]:
    """Those that there are, in the order asked for; None for each that is gone."""
    pipeline = client.pipeline(transaction=False)
    for particle_id in particle_ids:
        pipeline.hgetall(keys.particle(session_id, particle_id))
    rows = zip(particle_ids, pipeline.execute(), strict=True)
    return [_decoded(particle_id, fields) if fields else None for particle_id, fields in rows]


def slates_of(client: redis.Redis, session_id: str, particle_ids: Sequence[str]) -> list[str | None]:
    """The slate that each was shown in; None for each that is gone."""
    pipeline = client.pipeline(transaction=False)
    for particle_id in particle_ids:
        pipeline.hget(keys.particle(session_id, particle_id), "slate_id")
    return [None if slate_id is None else text(slate_id) for slate_id in pipeline.execute()]
