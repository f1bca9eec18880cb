"""Algorithm 1 of the paper as a session's config, in each reading that its two listings allow."""

from __future__ import annotations

from typing import Literal

from apa.records.sampling import SamplingOverrides
from apa.records.session import SessionConfig

Drift = Literal["with", "without"]
"""Of -f: Algorithm 2 has it, the line of Algorithm 1 has not. Without it the particles do not reach the
data."""

NUM_STEPS = 30
BETA = 6.0
"""The listings name neither; beta is of the standardised reward, as everywhere here."""


def algorithm_1(
    prior: str,
    budget: int = 80,
    particles_per_round: int = 8,
    num_particles: int = 32,
    *,
    drift: Drift = "with",
    num_steps: int = NUM_STEPS,
    beta: float = BETA,
) -> SessionConfig:
    """CNN at x_t, clipped weights that only rank, no resampling, epsilon-greedy, Euler-Maruyama from t = 1."""
    return SessionConfig(
        prior=prior,
        budget=budget,
        particles_per_round=particles_per_round,
        num_particles=num_particles,
        surrogate="cnn",
        policy="epsilon_greedy",
        sampling=SamplingOverrides(
            num_steps=num_steps,
            beta=beta,
            corrector="clipped" if drift == "with" else "clipped_without_drift",
            integrator="euler_maruyama",
            grid="uniform",
            t_start=1.0,
        ),
    )
