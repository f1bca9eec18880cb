"""A sampler as a process of its own, with sessions whose surrogates are there already."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from apa.records.session import Session, SessionConfig, SurrogateFamily, SurrogateVersion
from apa.store.connection import connect
from apa.store.due import DueStore
from apa.store.sessions import SessionStore
from apa.store.surrogates import SurrogateStore
from apa.surrogates import version_of
from benchmarks.refit.processes import Part, redis_in, running
from trainer_worker.fit import fit
from trainer_worker.observations import Observations
from trainer_worker.shelf import PriorShelf

UNUSED = "127.0.0.1:1"
"""For clients that say nothing to the feedback service."""


@contextmanager
def sampler_in(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """Where a sampler listens, and its Redis."""
    with (
        redis_in(folder) as url,
        running([Part("sampler_service", folder, {"REDIS_URL": url, **(settings or {})})]) as (ready,),
    ):
        yield f"127.0.0.1:{ready.port}", url


def learnt(
    redis_url: str, name: str, family: SurrogateFamily, session_id: str, answers: int = 32, budget: int = 80
) -> str:
    """A session of that prior with a surrogate of so many answers."""
    of, transport = PriorShelf().get(name)
    x = torch.randn(answers, *of.data_shape, generator=torch.Generator().manual_seed(0))
    answered = Observations.scalar(x, x.flatten(1)[:, 0])
    blob = fit(family, of, answered, seed=0, transport=transport).to_bytes()
    client = connect(redis_url)
    config = SessionConfig(prior=name, budget=budget, surrogate=family)
    SessionStore(client).create(Session(session_id=session_id, config=config, created_at=0.0))
    lease = DueStore(client).acquire(session_id, 60.0)
    assert lease is not None
    version = SurrogateVersion(
        version=version_of(blob), family=family, trained_events=0, published_at=time.time()
    )
    assert SurrogateStore(client).publish(lease, version, blob)
    client.close()
    return session_id
