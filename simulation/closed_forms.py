"""Targets known in closed form: a Gaussian mixture tilted by a linear or quadratic reward is one again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.priors.gaussian_mixture import GaussianMixturePrior


@dataclass(frozen=True)
class LinearReward:
    """r(x) = <slope, x>; slope: (D,)."""

    slope: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self.slope.to(x)


@dataclass(frozen=True)
class QuadraticReward:
    """r(x) = -|x - centre|^2 / 2; centre: (D,)."""

    centre: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return -0.5 * (x - self.centre.to(x)).square().sum(dim=1)


@dataclass(frozen=True)
class Mixture:
    """sum_k masses_k N(means_k, variance I), with log Z = log E_q[exp(beta r)] of the tilt that made it.

    Attributes:
        means: (K, D), float64.
        masses: (K,), float64.
    """

    means: Tensor
    variance: float
    masses: Tensor
    log_z: float

    def responsibilities(self, x: Tensor) -> Tensor:
        """(N, K): which mode each particle belongs to; under the target they average to the masses."""
        squared = torch.cdist(x.double(), self.means).square()
        return torch.softmax(self.masses.log() - 0.5 * squared / self.variance, dim=1)

    def total_variation(self, x: Tensor, weights: Tensor) -> float:
        """Between the masses that weighted particles give to the modes and the exact ones."""
        return 0.5 * float((weights @ self.responsibilities(x) - self.masses).abs().sum())

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, D) exact draws."""
        modes = torch.multinomial(self.masses, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, dtype=torch.float64)
        return self.means[modes] + math.sqrt(self.variance) * noise

    def floor(self, n: int, num_seeds: int) -> float:
        """The total variation of n exact draws, averaged over seeds: what no sampler of n can beat."""
        equal = torch.full((n,), 1.0 / n, dtype=torch.float64)
        draws = (self.sample(n, torch.Generator().manual_seed(seed)) for seed in range(num_seeds))
        return sum(self.total_variation(x, equal) for x in draws) / num_seeds

    def mean_reward(self, reward: LinearReward | QuadraticReward) -> float:
        """E_p[r]."""
        if isinstance(reward, LinearReward):
            return float(self.masses @ (self.means @ reward.slope.double()))
        squared = (self.means - reward.centre.double()).square().sum(dim=1)
        return float(self.masses @ (-0.5 * (squared + self.means.shape[1] * self.variance)))


def tilted(prior: GaussianMixturePrior, reward: LinearReward | QuadraticReward, beta: float) -> Mixture:
    """q_0 exp(beta r) normalised, of a mixture whose components share one variance v.

    Linear: means m + beta v b, masses w exp(beta <b, m> + beta^2 v |b|^2 / 2).
    Quadratic: variance v / (1 + beta v), means (m + beta v c) / (1 + beta v), masses
    w (1 + beta v)^(-D/2) exp(-beta |m - c|^2 / (2 (1 + beta v))).
    """
    means, v = prior.means.double(), float(prior.variance.flatten()[0])
    log_weights = prior.weights.double().log()
    if isinstance(reward, LinearReward):
        b = reward.slope.double()
        log_masses = log_weights + beta * means @ b + 0.5 * beta**2 * v * b.square().sum()
        new_means, new_variance = means + beta * v * b, v
    else:
        c, shrink = reward.centre.double(), 1.0 + beta * v
        squared = (means - c).square().sum(dim=1)
        log_masses = log_weights - 0.5 * beta * squared / shrink
        log_masses = log_masses - 0.5 * means.shape[1] * torch.tensor(shrink, dtype=torch.float64).log()
        new_means, new_variance = (means + beta * v * c) / shrink, v / shrink
    return Mixture(
        means=new_means,
        variance=new_variance,
        masses=torch.softmax(log_masses, dim=0),
        log_z=float(torch.logsumexp(log_masses, dim=0)),
    )
