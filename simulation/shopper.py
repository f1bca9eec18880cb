"""One simulated shopper: a session through the public client, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apa.client import Client

Judge = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""The hidden taste: items (M, *data_shape) -> true rewards (M,)."""


@dataclass(frozen=True)
class Round:
    """What one round showed and what it was worth.

    Attributes:
        index: the round, from 0.
        items: (k, *data_shape), in the order shown.
        rewards: (k,), true.
        surrogate_version: what steered the run; "" in round 0.
        route: how the run came to its particles.
    """

    index: int
    items: NDArray[np.float32]
    rewards: NDArray[np.float64]
    surrogate_version: str
    route: str = ""

    @property
    def mean_reward(self) -> float:
        return float(self.rewards.mean())


@dataclass(frozen=True)
class SessionPlan:
    """How a shopper's session is created."""

    prior: str = "fashion"
    budget: int = 80
    particles_per_round: int = 8
    num_particles: int = 32
    surrogate: str | None = None
    policy: str | None = None


def shop(
    client: Client,
    plan: SessionPlan,
    judge: Judge,
    *,
    session_id: str | None = None,
    seed: int | None = None,
    on_round: Callable[[Round], None] = lambda _: None,
    refit_timeout_s: float = 60.0,
) -> list[Round]:
    """Runs a whole session and returns its rounds, the first unsteered.

    Args:
        seed: round r uses seed + r, which makes the session reproducible; None leaves it to the server.

    Raises:
        ApaError: whatever the services answered; DeadlineExceeded when a refit did not arrive in time.
    """
    session = client.create_session(
        plan.prior,
        plan.budget,
        particles_per_round=plan.particles_per_round,
        num_particles=plan.num_particles,
        surrogate=plan.surrogate,
        policy=plan.policy,
        session_id=session_id,
    )
    rounds: list[Round] = []
    spent = 0
    while spent < plan.budget:
        sampling = None if seed is None else {"seed": seed + len(rounds)}
        result = client.sample(session.session_id, sampling=sampling)
        slate = result.slate
        items = np.stack([item.x for item in slate.items])
        rewards = judge(items)
        answers = {item.particle_id: float(r) for item, r in zip(slate.items, rewards, strict=True)}
        client.record_feedback(session.session_id, answers)
        client.wait_for_refit(session.session_id, timeout_s=refit_timeout_s)
        rounds.append(Round(len(rounds), items, rewards, slate.surrogate_version, result.started.route))
        on_round(rounds[-1])
        spent += len(answers)
    return rounds
