"""Twisted weights are unbiased for the discrete chain's own Z, however few particles and steps."""

from __future__ import annotations

import math

import pytest
import torch

from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.records.sampling import IntegratorName, SamplingConfig
from sampler_service import grids
from sampler_service.correctors.twisted import Twisted
from sampler_service.evaluation import evaluate
from sampler_service.integrators import INTEGRATORS, Kernel
from sampler_service.potential import RewardPotential
from simulation.closed_forms import LinearReward
from tests.sampler_service.problems import run_many

NUM_RUNS, NUM_PARTICLES = 400, 4
SIGMAS = 4.0

PRIOR = GaussianMixturePrior(torch.tensor([[0.8]]), 0.3, torch.tensor([1.0]))
REWARD = LinearReward(torch.tensor([1.0]))


def _chain_log_z(config: SamplingConfig) -> float:
    """log E[exp(beta x)] under the discrete chain, which is linear and Gaussian for a single mode."""
    steps = grids.steps(PRIOR.schedule, config)
    mean, variance = 0.0, steps[0].s ** 2
    for step in steps:
        at = evaluate(PRIOR, None, torch.tensor([[0.0], [1.0]]), step.t)
        kernel = INTEGRATORS[config.integrator](step, at)
        offset, value_at_one = kernel.mean.flatten().tolist()
        slope = value_at_one - offset
        mean, variance = slope * mean + offset, slope**2 * variance + kernel.variance
    return config.beta * mean + 0.5 * config.beta**2 * variance


@pytest.mark.parametrize(
    ("integrator", "ess_threshold"), [("euler_maruyama", 1.0), ("ancestral", 1.0), ("ancestral", 0.0)]
)
def test_the_estimate_of_z_is_unbiased_at_four_particles(
    integrator: IntegratorName, ess_threshold: float
) -> None:
    config = SamplingConfig(
        num_steps=8, beta=0.7, corrector="twisted", integrator=integrator, ess_threshold=ess_threshold
    )

    populations = run_many(PRIOR, RewardPotential(REWARD), config, NUM_PARTICLES, NUM_RUNS)

    assert max(p.num_resamplings for p in populations) == (7 if ess_threshold else 0)
    log_z = torch.tensor([p.log_z for p in populations if p.log_z is not None], dtype=torch.float64)
    ratios = torch.exp(log_z - _chain_log_z(config))
    assert abs(float(ratios.mean()) - 1.0) <= SIGMAS * float(ratios.std()) / math.sqrt(NUM_RUNS)


def test_a_step_without_noise_takes_the_priors_own_kernel() -> None:
    (step,) = grids.steps(PRIOR.schedule, SamplingConfig(num_steps=1))
    at = evaluate(PRIOR, RewardPotential(REWARD), torch.tensor([[0.3], [-0.2]]), 0.5)
    mean, log_weights = torch.tensor([[1.0], [2.0]]), torch.zeros(2, dtype=torch.float64)

    departure = Twisted().depart(step, Kernel(mean, 0.0), at, log_weights, torch.randn(2, 1))

    assert torch.equal(departure.x_next, mean)
    assert torch.equal(departure.log_weights, -step.beta * at.reward)
