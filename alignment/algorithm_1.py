"""Algorithm 1 of the paper as a session's config, in each reading that its two listings allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from apa.records.sampling import SamplingOverrides
from apa.records.session import RefitOnName, SessionConfig
from apa.records.validation import validated

Drift = Literal["with", "without"]
"""Of -f: Algorithm 2 has it, the line of Algorithm 1 has not."""

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
    refit_on: RefitOnName = "round",
    num_steps: int = NUM_STEPS,
    beta: float = BETA,
) -> SessionConfig:
    """CNN at x_t, clipped weights that only rank, epsilon-greedy, Euler-Maruyama from t = 1.

    Args:
        refit_on: the network goes on training on each round's observations, as printed, or is trained on all.
    """
    return SessionConfig(
        prior=prior,
        budget=budget,
        particles_per_round=particles_per_round,
        num_particles=num_particles,
        surrogate="cnn",
        policy="epsilon_greedy",
        refit_on=refit_on,
        sampling=SamplingOverrides(
            num_steps=num_steps,
            beta=beta,
            corrector="clipped" if drift == "with" else "clipped_without_drift",
            integrator="euler_maruyama",
            grid="uniform",
            t_start=1.0,
        ),
    )


def changed(
    config: SessionConfig, fields: Mapping[str, object], sampling: Mapping[str, object] | None = None
) -> SessionConfig:
    """The config with the given fields replaced, those of its sampling apart; None leaves a field as it is.

    Raises:
        InvalidArgument: the result is no valid config.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    steered = {name: value for name, value in (sampling or {}).items() if value is not None}
    merged = config.model_dump() | given
    merged["sampling"] = config.sampling.model_dump() | steered
    return validated(SessionConfig, merged)
