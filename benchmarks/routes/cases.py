"""The map on closed forms: tastes of a wanted rarity in mixtures of several dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from apa.priors import GaussianMixturePrior
from benchmarks.exactness.cases import Case as Mixtures
from simulation.closed_forms import LinearReward, Mixture, tilted

NUM_PARTICLES = 32
"""Of a run, where nothing else is said: the service's default."""


@dataclass(frozen=True)
class Place:
    """One place of the map.

    Attributes:
        rarity: exp(-KL(p || q)): about how many of the prior's draws are typical of the target.
        num_stored: draws of the pool.
        num_particles: N of a run.
    """

    dimensions: int
    rarity: float
    num_stored: int
    num_particles: int = NUM_PARTICLES
    prior_name: str = "mixture"
    catalogue_size: int | None = None

    @property
    def prior(self) -> GaussianMixturePrior:
        return Mixtures(self.dimensions, "linear", "mild").prior

    @cached_property
    def reward(self) -> LinearReward:
        """Along a diagonal, of length one: no mode is alone in that direction."""
        return LinearReward(torch.full((self.dimensions,), self.dimensions**-0.5))

    @cached_property
    def beta(self) -> float:
        """At which the target is as rare as wanted."""
        low, high = 0.0, 200.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self.kl_at(middle) < -math.log(self.rarity) else (low, middle)
        return low

    def kl_at(self, beta: float) -> float:
        """KL(p || q) in nats."""
        target = tilted(self.prior, self.reward, beta)
        return beta * target.mean_reward(self.reward) - target.log_z

    @cached_property
    def target(self) -> Mixture:
        return tilted(self.prior, self.reward, self.beta)

    @cached_property
    def gain(self) -> tuple[float, float]:
        """E_q[r] and E_p[r]."""
        return tilted(self.prior, self.reward, 0.0).mean_reward(self.reward), self.target.mean_reward(
            self.reward
        )


def places(dimensions: tuple[int, ...], rarities: tuple[float, ...], stored: tuple[int, ...]) -> list[Place]:
    return [Place(d, rarity, m) for d in dimensions for rarity in rarities for m in stored]


def budgets(
    dimensions: tuple[int, ...], rarities: tuple[float, ...], num_stored: int, budget: tuple[int, ...]
) -> list[Place]:
    """The same places by N."""
    return [Place(d, rarity, num_stored, n) for d in dimensions for rarity in rarities for n in budget]
