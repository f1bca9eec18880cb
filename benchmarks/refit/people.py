"""Sessions of *films* that were shown a slate, and what they answer."""

from __future__ import annotations

import numpy as np

from apa.records.feedback import Feedback, ScalarAnswer
from apa.records.particle import Particle
from apa.records.session import USUAL_SURROGATE, Session, SessionConfig, SurrogateFamily
from apa.records.slate import Slate, SlateItem
from apa.store.connection import Client
from apa.store.sessions import SessionStore
from apa.store.slates import SlateStore

PRIOR, DATA_DIM = "films", 48
LIFETIME_S = 3600.0


def create(
    client: Client, count: int, answers: int, surrogate: SurrogateFamily = USUAL_SURROGATE
) -> list[list[Feedback]]:
    """Sessions that were each shown so many items, and their answers to them; nothing is recorded yet."""
    config = SessionConfig(
        prior=PRIOR,
        surrogate=surrogate,
        budget=answers,
        num_particles=max(32, answers),
        particles_per_round=answers,
    )
    sessions, slates = SessionStore(client), SlateStore(client)
    return [_one(sessions, slates, f"s{number}", config, number) for number in range(count)]


def _one(
    sessions: SessionStore, slates: SlateStore, name: str, config: SessionConfig, seed: int
) -> list[Feedback]:
    answers = config.budget
    sessions.create(Session(session_id=name, config=config, created_at=0.0))
    slates.reserve(name, "request", "slate", answers, LIFETIME_S)
    ids = [f"p{number}" for number in range(answers)]
    items = tuple(
        SlateItem(particle_id=one, population_index=number, reason="top", propensity=1.0)
        for number, one in enumerate(ids)
    )
    slate = Slate(
        slate_id="slate",
        session_id=name,
        request_id="request",
        items=items,
        round_index=0,
        asked=answers,
        created_at=0.0,
        expires_at=LIFETIME_S,
    )
    x = np.random.default_rng(seed).normal(size=(answers, DATA_DIM)).astype(np.float32)
    slates.put(slate, [Particle(one, "slate", row) for one, row in zip(ids, x, strict=True)])
    return [
        Feedback(
            feedback_id=f"f-{one}",
            session_id=name,
            answer=ScalarAnswer(particle_id=one, reward=float(row[0])),
        )
        for one, row in zip(ids, x, strict=True)
    ]
