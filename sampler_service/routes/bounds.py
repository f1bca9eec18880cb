"""What stored draws of the prior and particles of the target leave open of log Z, by convexity.

    L(s) = log E_q[exp(s u)],   u = beta r,   L(0) = 0,   L(1) = log Z,   L'(s) = E_s[u]

where E_s is under q exp(s u), normalised, which is the target at s = 1. L is convex: its tangents lie below
it. The tangent at a share s that stored draws bear, taken at 1, and the one at 1, where the particles are,
taken at s, give

    L(s) + (1 - s) E_s[u]  <=  log Z  <=  L(s) + (1 - s) E_1[u]

Draws that bear all of it, s = 1, tell log Z by themselves. Without draws s = 0, and log Z is at most E_1[u].

The estimate of L(s) errs little upwards, but far downwards where no draw has come from the tail that
counts. A lower end may trust draws of a fair ESS. An upper end asks for more, which the tail itself tells: if
u has a tail like exp(-u / h), the weights exp(s u) have one of index 1 / (s h), and h is the mean excess of
the largest u over a threshold (Hill 1975). Up to s h = 0.7 estimates by such weights are reliable (k-hat of
Vehtari et al. 2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sampler_service.start import ess_of, largest_share

LEAST_ESS = 50.0
"""Of stored draws, from which on their estimate is about log-normal."""
HEAVIEST_TAIL = 0.7
"""s h of the largest share that an upper end trusts draws for."""
UNSEEN = 6.0
"""Shares of the heaviest draw that may be missing above it: what the tail leaves out of an upper end."""


@dataclass(frozen=True)
class Mean:
    """E_1[u] as particles have it: the estimate and its standard error, in nats."""

    value: float
    error: float


@dataclass(frozen=True)
class _At:
    """Draws u: (M,), tilted by a share s.

    Attributes:
        weights: (M,), normalised.
        log_z: L(s), with the half variance that a log-normal estimate lacks.
        error: its standard error.
    """

    u: Tensor
    share: float
    weights: Tensor
    log_z: float
    error: float

    @property
    def slope(self) -> float:
        """E_s[u]."""
        return float(self.weights @ self.u)

    @property
    def tangent_error(self) -> float:
        """Standard error of L(s) + (1 - s) E_s[u], by the delta method: both err together."""
        influence = self.weights - 1.0 / len(self.u)
        influence = influence + (1.0 - self.share) * self.weights * (self.u - self.slope)
        return float(influence.square().sum().sqrt())


def lower_end(u: Tensor, z: float) -> float:
    """Of log Z, by stored draws alone.

    Args:
        u: (M,), float64, beta r of draws of the prior.
        z: standard errors to leave.
    """
    at = _tilted(u, largest_share(u, LEAST_ESS))
    return at.log_z + (1.0 - at.share) * at.slope - z * at.tangent_error


def upper_end(u: Tensor | None, mean: Mean, z: float) -> float:
    """Of log Z, by stored draws, if there are any, and particles; as sound as their mean reward.

    Particles that missed a mode of more reward than theirs make it too low, of less reward too high.
    """
    share = 0.0 if u is None else trusted_share(u)
    of_particles = z * (1.0 - share) * mean.error
    if u is None or share == 0.0:
        return mean.value + of_particles
    at = _tilted(u, share)
    of_draws = z * at.error + UNSEEN * float(at.weights.max())
    return at.log_z + (1.0 - share) * mean.value + math.hypot(of_particles, of_draws)


def trusted_share(u: Tensor) -> float:
    """In [0, 1]: how much of the tilt draws u (M,) bear for an upper end; 0 of fewer than LEAST_ESS draws."""
    if len(u) < LEAST_ESS:
        return 0.0
    tail = torch.topk(u, 1 + min(len(u) // 5, int(3.0 * math.sqrt(len(u))))).values
    excess = float((tail[:-1] - tail[-1]).mean())
    share = min(1.0, HEAVIEST_TAIL / excess) if excess > 0.0 else 1.0
    return share if ess_of(share * u) >= LEAST_ESS else min(share, largest_share(u, LEAST_ESS))


def _tilted(u: Tensor, share: float) -> _At:
    tilt = share * u
    total = torch.logsumexp(tilt, dim=0)
    weights = torch.exp(tilt - total)
    # Of mean(exp(s u)) over its own square, from the draws: 1 / ESS - 1 / M.
    relative_variance = max(0.0, float(weights.square().sum()) - 1.0 / len(u))
    error = math.sqrt(math.log1p(relative_variance))
    return _At(u, share, weights, float(total) - math.log(len(u)) + 0.5 * error**2, error)
