"""The closed-form problems that the sampler is tested on, and a way to run many seeds of one at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.records.sampling import SamplingConfig
from sampler_service.correctors import Corrector
from sampler_service.engine import tick
from sampler_service.population import Population
from sampler_service.potential import Potential, Reward, as_potential
from sampler_service.run import plan_run, start_run
from simulation.closed_forms import LinearReward, Mixture, QuadraticReward, tilted


def three_modes() -> GaussianMixturePrior:
    """Three modes in the plane, of unequal mass."""
    means = torch.tensor([[-1.5, 0.0], [1.5, 0.5], [0.0, 1.8]])
    return GaussianMixturePrior(means, 0.15, torch.tensor([0.5, 0.3, 0.2]))


def two_modes(dimensions: int) -> GaussianMixturePrior:
    """Two modes that differ in the first coordinate only."""
    means = torch.zeros(2, dimensions)
    means[0, 0], means[1, 0] = -1.0, 1.0
    return GaussianMixturePrior(means, 0.2, torch.tensor([0.7, 0.3]))


MILD = QuadraticReward(torch.tensor([1.0, 1.0]))
SLOPE = LinearReward(torch.tensor([1.0, -0.5]))


@dataclass(frozen=True)
class Figures:
    """What many runs of one problem measured.

    Attributes:
        total_variation: of each run's mode masses to the exact ones, averaged.
        pooled_variation: of all runs' masses together: their bias, with little noise.
        floor: the total variation of as many exact draws, averaged over 100 seeds.
        log_z_error: mean estimate minus the exact value; NaN where there is none.
        min_ess_ratio: the lowest ESS / N of all runs.
    """

    total_variation: float
    pooled_variation: float
    floor: float
    log_z_error: float
    min_ess_ratio: float
    populations: list[Population]

    @property
    def passes(self) -> bool:
        """The gate: mode masses within twice the floor, log Z within 0.1."""
        return self.total_variation <= 2.0 * self.floor and abs(self.log_z_error) <= 0.1


def run_many(
    prior: GaussianMixturePrior,
    reward: Reward | Potential | None,
    config: SamplingConfig,
    num_particles: int,
    num_seeds: int,
    corrector: Corrector | None = None,
) -> list[Population]:
    """One population for each of the seeds 0, 1, ..., all in one batch."""
    plan = plan_run(prior, as_potential(reward, config.corrector), config, num_particles, corrector)
    runs = [start_run(plan, torch.device("cpu"), seed) for seed in range(num_seeds)]
    while True:
        outcomes = tick(runs)
        populations = [outcome for outcome in outcomes if isinstance(outcome, Population)]
        if len(populations) == num_seeds:
            return populations
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome


def measure(
    prior: GaussianMixturePrior,
    reward: LinearReward | QuadraticReward,
    config: SamplingConfig,
    num_particles: int = 1000,
    num_seeds: int = 10,
    *,
    potential: Potential | None = None,
    corrector: Corrector | None = None,
) -> Figures:
    """Runs of one problem against its closed form; `potential` replaces the plain reward on the path."""
    target: Mixture = tilted(prior, reward, config.beta)
    populations = run_many(prior, potential or reward, config, num_particles, num_seeds, corrector)
    masses = torch.stack([p.weights @ target.responsibilities(p.x) for p in populations])
    log_z = [p.log_z for p in populations if p.log_z is not None]
    return Figures(
        total_variation=sum(target.total_variation(p.x, p.weights) for p in populations) / num_seeds,
        pooled_variation=0.5 * float((masses.mean(dim=0) - target.masses).abs().sum()),
        floor=target.floor(num_particles, num_seeds=100),
        log_z_error=sum(log_z) / len(log_z) - target.log_z if log_z else float("nan"),
        min_ess_ratio=min(min(p.ess_history) for p in populations) / num_particles,
        populations=populations,
    )
