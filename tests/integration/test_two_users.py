"""The whole loop through real processes: what one user likes, the other dislikes, and both are served."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from apa.client import Client, SampleResult, SessionView
from simulation.shopper import Judge, Round, SessionPlan, shop

PLAN = SessionPlan(prior="fashion", budget=32, particles_per_round=8, num_particles=32)


def likes_bright(items: NDArray[np.float32]) -> NDArray[np.float64]:
    """(M,), the share of the picture that is lit, in [0, 1]."""
    lit = (np.clip(items, -1.0, 1.0) + 1.0) / 2.0
    mean: NDArray[np.float64] = lit.reshape(len(items), -1).mean(axis=1, dtype=np.float64)
    return mean


def likes_dark(items: NDArray[np.float32]) -> NDArray[np.float64]:
    return 1.0 - likes_bright(items)


def last_two(rounds: list[Round]) -> float:
    return float(np.mean([shown.mean_reward for shown in rounds[-2:]]))


@pytest.mark.slow
def test_two_users_with_opposite_tastes_both_improve_over_the_unsteered_control(client: Client) -> None:
    control = client.sample(prior="fashion", num_particles=200, sampling={"seed": 7}).particles
    assert control is not None

    def session(judge: Judge, seed: int) -> list[Round]:
        return shop(client, PLAN, judge, seed=seed)

    with ThreadPoolExecutor(2) as pool:
        bright = pool.submit(session, likes_bright, 100)
        dark = pool.submit(session, likes_dark, 200)

    lit = likes_bright(control.x)
    margin = 0.5 * lit.std()
    assert last_two(bright.result()) > lit.mean() + margin
    assert last_two(dark.result()) > (1.0 - lit).mean() + margin
    assert all(shown.surrogate_version for shown in bright.result()[1:]), "a later round was not steered"
    assert bright.result()[0].surrogate_version == ""


def two_rounds(client: Client, session: SessionView) -> tuple[SampleResult, SessionView]:
    """The second round, steered by what the first taught, and the session after it."""
    for _ in range(2):
        result = client.sample(session.session_id)
        rewards = likes_bright(np.stack([item.x for item in result.slate.items]))
        answers = {item.particle_id: r for item, r in zip(result.slate.items, rewards, strict=True)}
        client.record_feedback(session.session_id, answers)
        session = client.wait_for_refit(session.session_id)
    return result, session


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prior", "surrogate", "refit_on"),
    [
        ("fashion", "mlp", "all"),
        ("films", "mlp", "all"),
        ("fashion", "gp", "all"),
        ("films", "gp", "all"),
        ("fashion", "cnn", "round"),
    ],
)
def test_every_family_steers_a_session(client: Client, prior: str, surrogate: str, refit_on: str) -> None:
    session = client.create_session(
        prior=prior, budget=16, surrogate=surrogate, refit_on=refit_on, sampling={"num_steps": 8}
    )
    result, after = two_rounds(client, session)
    assert after.config.refit_on == refit_on
    assert result.started.surrogate_version
    assert after.surrogate is not None
    assert (after.surrogate.family, after.surrogate.trained_events) == (surrogate, 16)
    assert all(np.isfinite(item.predicted_std) and item.predicted_std > 0 for item in result.slate.items)


@pytest.mark.slow
def test_the_papers_loop_runs_by_its_names(client: Client) -> None:
    session = client.create_session(
        prior="fashion",
        budget=16,
        surrogate="cnn",
        sampling={"corrector": "clipped", "num_steps": 10},
    )
    assert session.config.policy == "epsilon_greedy"
    result, session = two_rounds(client, session)
    assert session.surrogate is not None
    assert session.surrogate.family == "cnn"
    assert result.started.sampling.corrector == "clipped"
    assert result.finished.log_z is None, "clipped weights estimate nothing"
    assert result.finished.clip_events > 0
    assert {item.reason for item in result.slate.items} == {"top", "random"}
