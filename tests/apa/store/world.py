"""A session with shown slates, in a few words."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import redis

from apa.records.feedback import Acknowledgement, Answer, Feedback, ScalarAnswer
from apa.records.particle import Particle
from apa.records.session import Ledger, Session, SessionConfig
from apa.records.slate import Slate, SlateItem
from apa.store.due import DueStore
from apa.store.ledger import FeedbackLedger
from apa.store.sessions import SessionStore
from apa.store.slates import Reservation, SlateStore

LONG_S = 600.0
SHORT_S = 0.05


def a_session(
    session_id: str = "s1", budget: int = 10, config: Mapping[str, object] | None = None, **fields: object
) -> Session:
    given = {"prior": "fashion", "budget": budget, "particles_per_round": 4, **(config or {})}
    record = {"session_id": session_id, "config": SessionConfig.model_validate(given), "created_at": 1.0}
    return Session.model_validate(record | fields)


def a_slate(reservation: Reservation, num_items: int, request_id: str, lifetime_s: float = LONG_S) -> Slate:
    slate_id = reservation.slate_id
    return Slate(
        slate_id=slate_id,
        session_id=reservation.session_id,
        request_id=request_id,
        items=tuple(
            SlateItem(
                particle_id=f"{slate_id}-p{i}",
                population_index=i,
                reason="top",
                propensity=0.5,
                score=0.25 * i,
                item_id=f"item-{slate_id}-{i}",
            )
            for i in range(num_items)
        ),
        round_index=reservation.round_index,
        asked=min(reservation.asked, num_items),
        policy="thompson",
        created_at=100.0,
        expires_at=100.0 + lifetime_s,
    )


def particles_of(slate: Slate) -> list[Particle]:
    return [
        Particle(item.particle_id, slate.slate_id, np.full((1, 2), i, np.float32))
        for i, item in enumerate(slate.items)
    ]


def an_answer(
    particle_id: str, feedback_id: str = "", reward: float = 1.0, session_id: str = "s1"
) -> Feedback:
    return Feedback(
        feedback_id=feedback_id or f"f-{particle_id}",
        session_id=session_id,
        answer=ScalarAnswer(particle_id=particle_id, reward=reward),
    )


@dataclass
class World:
    """The stores of one session `s1`. Particles of an expired slate are gone with it."""

    client: redis.Redis
    budget: int = 10
    late_answers_s: float = 0.0
    user_id: str = "anonymous"
    config: Mapping[str, object] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.sessions = SessionStore(self.client)
        self.slates = SlateStore(self.client, late_answers_s=self.late_answers_s)
        self.ledger = FeedbackLedger(self.client)
        self.due = DueStore(self.client)
        self.sessions.create(a_session(budget=self.budget, config=self.config, user_id=self.user_id))

    def totals(self) -> Ledger:
        return self.sessions.ledger("s1")

    def reserve(self, k: int = 4, request_id: str = "", lifetime_s: float = LONG_S) -> Reservation:
        number = next(self.numbers)
        return self.slates.reserve("s1", request_id or f"r{number}", f"sl{number}", k, lifetime_s)

    def show(self, num_items: int = 4, lifetime_s: float = LONG_S, *, has_default: bool = False) -> Slate:
        """Reserves and stores a slate."""
        reservation = self.reserve(k=num_items)
        slate = a_slate(reservation, num_items, f"r{reservation.slate_id[2:]}", lifetime_s)
        return self.slates.put(slate, particles_of(slate), has_default=has_default)

    def record(
        self, feedback_id: str, answer: Answer, rater: str = "", supersedes: str = ""
    ) -> Acknowledgement:
        return self.ledger.record(
            Feedback(
                feedback_id=feedback_id, session_id="s1", answer=answer, rater=rater, supersedes=supersedes
            )
        )

    def answer(self, slate: Slate, index: int, reward: float = 1.0) -> Acknowledgement:
        return self.ledger.record(an_answer(slate.items[index].particle_id, reward=reward))
