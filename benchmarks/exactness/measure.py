"""One cell of the table: many seeds of one method on one target."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from apa.errors import ApaError
from benchmarks.exactness.cases import Case
from benchmarks.exactness.methods import Method
from sampler_service.engine import tick
from sampler_service.population import Population
from sampler_service.potential import Potential, as_potential
from sampler_service.run import plan_run, start_run
from sampler_service.tempering import tempered

FLOOR_SEEDS = 400
BATCH_SEEDS = 10


@dataclass(frozen=True)
class Cell:
    """What one method reached on one target.

    Attributes:
        evaluations: of the denoiser and the reward, per particle: one for each step and one at the end.
        variation_ratio: total variation of the mode masses over its Monte-Carlo floor, and its 95%
            interval over seeds.
        log_z_bias: mean over seeds of the estimate less the exact value, and its standard error; None for
            methods without.
        min_ess_ratio: lowest ESS / N, the mean over seeds.
    """

    case: str
    method: str
    num_particles: int
    evaluations: int
    num_seeds: int
    variation_ratio: tuple[float, float, float]
    log_z_bias: tuple[float, float] | None
    min_ess_ratio: float


def measure(
    case: Case, name: str, method: Method, num_particles: int, evaluations: int, num_seeds: int
) -> Cell:
    """Runs the seeds 0, 1, ... and compares with the closed form."""
    changes = {"num_steps": evaluations - 1, "beta": case.beta}
    method = method._replace(config=method.config.model_copy(update=changes))
    populations = _populations(case, method, num_particles, num_seeds)
    target = case.target
    floor = target.floor(num_particles, FLOOR_SEEDS)
    ratios = [target.total_variation(p.x, p.weights) / floor for p in populations]
    log_z = [p.log_z - target.log_z for p in populations if p.log_z is not None]
    ratio, ratio_error = _mean(ratios)
    return Cell(
        case=case.name,
        method=name,
        num_particles=num_particles,
        evaluations=evaluations,
        num_seeds=num_seeds,
        variation_ratio=(ratio, ratio - 1.96 * ratio_error, ratio + 1.96 * ratio_error),
        log_z_bias=_mean(log_z) if log_z else None,
        min_ess_ratio=_mean([min(p.ess_history) for p in populations])[0] / num_particles,
    )


def _populations(case: Case, method: Method, num_particles: int, num_seeds: int) -> list[Population]:
    prior, config = case.prior, method.config
    plan = plan_run(prior, _potential(case, method), config, num_particles)
    populations = []
    for first in range(0, num_seeds, BATCH_SEEDS):
        seeds = range(first, min(first + BATCH_SEEDS, num_seeds))
        runs = [start_run(plan, torch.device("cpu"), seed) for seed in seeds]
        outcomes = tick(runs)
        while not all(isinstance(outcome, Population) for outcome in outcomes):
            for outcome in outcomes:
                if isinstance(outcome, ApaError):
                    raise outcome
            outcomes = tick(runs)
        populations += [outcome for outcome in outcomes if isinstance(outcome, Population)]
    return populations


def _potential(case: Case, method: Method) -> Potential | None:
    if method.tempered:
        return tempered(case.reward, case.prior, method.config)
    return as_potential(case.reward, method.config.corrector)


def _mean(values: list[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1))
    return mean, spread / math.sqrt(len(values))
