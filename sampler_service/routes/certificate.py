"""What a run says of itself: log Z with a 95% interval, KL(p || q), and whether its particles are enough.

The interval takes whatever is known (`bounds.py`): from below stored draws of the prior, whatever the
particles are; from above those and the particles' mean reward. A run's own Z-hat is unbiased, so that by
Markov's inequality it is above Z / d with probability d at most: another lower end, without stored draws the
only one.
Of a run that never resampled and whose particles nearly all still count, log Z-hat is about normal.

Of other runs the weights tell too little for an upper end: what died out at a resampling left no trace, and
the variance that the ancestry gives (Lee and Whiteley 2018) came out as a fifth of the true one where it
mattered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from sampler_service.population import Population
from sampler_service.routes.bounds import LEAST_ESS, Mean, lower_end, upper_end
from sampler_service.routes.outlook import Outlook

LEAST_RATIO = 0.7
"""Of a run's ESS to its N, from which on its estimate is about log-normal, if it never resampled."""
MISS = 0.025
"""Probability that log Z is beyond an end; where an end is the better of two, half for each."""


@dataclass(frozen=True)
class Certificate:
    """A 95% interval of log Z = log E_q[exp(beta r)], q being the prior as it is sampled.

    Attributes:
        log_z: the estimate, within the interval.
        lower, upper: `upper` is infinite where nothing bounds it.
        kl_to_prior: the estimate of KL(p || q) = E_p[beta r] - log Z, in nats, at least 0.
        ancestors: effective number of independent draws that the particles descend from, 1 to N.
        adequate: whether there are at least as many as were asked for, and the particles have not missed what
            stored draws hold: a lower end above the upper one says that they have, and leaves no upper end.
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
        outlook: of stored draws, for the same target.
    """
    if population.log_z is None or population.kl_to_prior is None:
        return None
    ancestors = effective_ancestors(population.weights, population.ancestors)
    u = None if outlook is None else outlook.tilt
    if u is None and _log_normal(population):
        lower, upper = _of_a_mild_run(population)
    else:
        lower, upper = _lower(population, u), _upper(population, u, ancestors)
    missed = lower > upper
    if missed:
        upper = math.inf
    log_z, mean_tilt = population.log_z, population.log_z + population.kl_to_prior
    if outlook is not None and outlook.ess >= LEAST_ESS:
        log_z, mean_tilt = outlook.log_z, outlook.log_z + outlook.kl_to_prior
    log_z = min(max(log_z, lower), upper)
    return Certificate(
        log_z=log_z,
        lower=lower,
        upper=upper,
        kl_to_prior=max(0.0, mean_tilt - log_z),
        ancestors=ancestors,
        adequate=ancestors >= num_wanted and not missed,
    )


def effective_ancestors(weights: Tensor, ancestors: Tensor) -> float:
    """1 / sum_e W_e^2 of normalised weights (N,) and the ancestor of each (N,)."""
    _, of = torch.unique(ancestors, return_inverse=True)
    each = torch.zeros(int(of.max()) + 1, dtype=weights.dtype, device=weights.device).index_add(
        0, of, weights
    )
    return 1.0 / float(each.square().sum())


def _lower(population: Population, u: Tensor | None) -> float:
    assert population.log_z is not None
    if u is None:
        return population.log_z + math.log(MISS)
    if _is_of_draws(population):
        return lower_end(u, _quantile(MISS))
    return max(population.log_z + math.log(0.5 * MISS), lower_end(u, _quantile(0.5 * MISS)))


def _upper(population: Population, u: Tensor | None, ancestors: float) -> float:
    """Infinite where there is no mean reward, or no telling how far it is off."""
    if population.tilt is None or len(population.tilt) < 2:
        return math.inf
    weights = population.weights
    mean = weights @ population.tilt
    variance = weights @ (population.tilt - mean).square()
    return upper_end(u, Mean(float(mean), math.sqrt(float(variance) / ancestors)), _quantile(MISS))


def _is_of_draws(population: Population) -> bool:
    """Whether there was no path, and its estimate of log Z is the stored draws' own."""
    return not population.ess_history


def _log_normal(population: Population) -> bool:
    n, ess = len(population.weights), 1.0 / float(population.weights.square().sum())
    own = bool(population.ess_history)
    return own and n > 1 and not population.num_resamplings and ess >= LEAST_RATIO * n


def _of_a_mild_run(population: Population) -> tuple[float, float]:
    assert population.log_z is not None
    n, sum_of_squares = len(population.weights), float(population.weights.square().sum())
    spread = math.sqrt(math.log1p((n * sum_of_squares - 1.0) / (n - 1)))
    middle = population.log_z + 0.5 * spread**2
    return middle - _quantile(MISS) * spread, middle + _quantile(MISS) * spread


def _quantile(miss: float) -> float:
    return NormalDist().inv_cdf(1.0 - miss)
