"""The prior's own kernels against the exact law of a single Gaussian."""

from __future__ import annotations

import pytest
import torch

from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.records.sampling import IntegratorName, SamplingConfig
from sampler_service import grids
from sampler_service.evaluation import evaluate
from sampler_service.integrators import INTEGRATORS

PRIOR = GaussianMixturePrior(torch.tensor([[0.8]], dtype=torch.float64), 0.3, torch.ones(1))


def _final_law(integrator: IntegratorName, num_steps: int) -> tuple[float, float]:
    """Mean and variance at t_end, by pushing the exact law at t = 1 through every kernel."""
    path = grids.steps(PRIOR.schedule, SamplingConfig(num_steps=num_steps), PRIOR.posterior_variance)
    mean, variance = 0.8 * path[0].a, 0.3 * path[0].a ** 2 + path[0].s ** 2
    for step in path:
        at = evaluate(PRIOR, None, torch.tensor([[0.0], [1.0]], dtype=torch.float64), step.t)
        kernel = INTEGRATORS[integrator](step, at)
        offset, value_at_one = kernel.mean.flatten().tolist()
        mean, variance = (
            (value_at_one - offset) * mean + offset,
            (value_at_one - offset) ** 2 * variance + kernel.variance,
        )
    return mean, variance


@pytest.mark.parametrize("integrator", ["euler_maruyama", "ancestral"])
def test_halving_the_step_halves_the_error_of_the_law(integrator: IntegratorName) -> None:
    end = grids.steps(PRIOR.schedule, SamplingConfig())[-1]
    exact = 0.3 * end.a_next**2 + end.s_next**2
    errors = [abs(_final_law(integrator, n)[1] - exact) for n in (100, 200, 400)]

    assert errors[0] < 0.05
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.6 * errors[1]


@pytest.mark.parametrize("integrator", ["euler_maruyama", "ancestral"])
def test_the_mean_is_met(integrator: IntegratorName) -> None:
    assert _final_law(integrator, 400)[0] == pytest.approx(0.8, abs=0.01)


def test_the_analytic_variance_meets_the_law_of_a_gaussian_at_any_length_of_the_steps() -> None:
    config = SamplingConfig(num_steps=10)
    end = grids.steps(PRIOR.schedule, config)[-1]
    exact = 0.3 * end.a_next**2 + end.s_next**2

    ancestral, analytic = _final_law("ancestral", 10)[1], _final_law("analytic", 10)[1]

    assert abs(ancestral - exact) > 0.05
    assert abs(analytic - exact) < 0.01
