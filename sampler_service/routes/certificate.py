"""How sure one is of log Z, and what is said where one is not.

Of independent draws from the prior, Z-hat = mean exp(beta r) is taken as log-normal: with relative variance
V = 1 / ESS - 1 / M, log Z-hat is N(log Z - s^2 / 2, s^2), s^2 = log(1 + V). That holds for stored draws with
a fair ESS, and for a run whose particles nearly all still count.

Of other runs the weights tell too little: what died out at a resampling left no trace, and the variance that
the ancestry gives (Lee and Whiteley 2018) came out as a fifth of the true one where it mattered. Z-hat is
unbiased all the same, so that by Markov's inequality it is above Z / d with probability d at most: a bound
from below, and none from above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sampler_service.population import Population
from sampler_service.routes.outlook import Outlook

Z_95 = 1.959964
LEAST_ESS = 50.0
"""Of stored draws, from which on their estimate is about log-normal."""
LEAST_RATIO = 0.7
"""Of a run's ESS to its N, likewise, if it never resampled."""
MISS = 0.05
"""Probability that an interval misses log Z."""


@dataclass(frozen=True)
class Certificate:
    """A 95% interval of log Z = log E_q[exp(beta r)], q being the prior as it is sampled.

    Attributes:
        log_z: the estimate. lower, upper: `upper` is infinite where nothing bounds it.
        kl_to_prior: the estimate of KL(p || q), in nats.
        ancestors: effective number of independent draws that the particles descend from, 1 to N.
        adequate: whether there are at least as many as were asked for.
    """

    log_z: float
    lower: float
    upper: float
    kl_to_prior: float
    ancestors: float
    adequate: bool


def certify(population: Population, num_wanted: int, outlook: Outlook | None = None) -> Certificate | None:
    """Of a finished run; None where its corrector has no log Z.

    Args:
        num_wanted: items that are to be shown of it.
        outlook: of stored draws; they give the interval where they hold enough of the target.
    """
    if population.log_z is None or population.kl_to_prior is None:
        return None
    ancestors = effective_ancestors(population.weights, population.ancestors)
    log_z, kl_to_prior = population.log_z, population.kl_to_prior
    if outlook is not None and outlook.ess >= LEAST_ESS:
        log_z, kl_to_prior = outlook.log_z, outlook.kl_to_prior
        lower, upper = _log_normal(log_z, 1.0 / outlook.ess - 1.0 / len(outlook.tilt))
    else:
        lower, upper = _of_run(population)
    return Certificate(log_z, lower, upper, kl_to_prior, ancestors, ancestors >= num_wanted)


def effective_ancestors(weights: Tensor, ancestors: Tensor) -> float:
    """1 / sum_e W_e^2 of normalised weights (N,) and the ancestor of each (N,)."""
    _, of = torch.unique(ancestors, return_inverse=True)
    each = torch.zeros(int(of.max()) + 1, dtype=weights.dtype, device=weights.device).index_add(
        0, of, weights
    )
    return 1.0 / float(each.square().sum())


def _of_run(population: Population) -> tuple[float, float]:
    assert population.log_z is not None
    n, ess = len(population.weights), 1.0 / float(population.weights.square().sum())
    if n == 1 or population.num_resamplings or ess < LEAST_RATIO * n:
        return population.log_z + math.log(MISS), math.inf
    return _log_normal(population.log_z, (n / ess - 1.0) / (n - 1))


def _log_normal(log_z: float, relative_variance: float) -> tuple[float, float]:
    spread = math.sqrt(math.log1p(relative_variance))
    middle = log_z + 0.5 * spread**2
    return middle - Z_95 * spread, middle + Z_95 * spread
