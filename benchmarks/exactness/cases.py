"""The targets: mixtures in several dimensions under a mild and a strong reward."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from apa.priors import GaussianMixturePrior
from simulation.closed_forms import LinearReward, Mixture, QuadraticReward, tilted

VARIANCE = 0.15
MASSES = (0.4, 0.3, 0.2, 0.1)
BETAS = {"mild": 1.0, "strong": 5.0}


@dataclass(frozen=True)
class Case:
    """One target.

    Attributes:
        strength: a key of BETAS.
    """

    dimensions: int
    shape: str
    strength: str

    @property
    def name(self) -> str:
        return f"{self.dimensions}-d {self.shape} {self.strength}"

    @property
    def beta(self) -> float:
        return BETAS[self.strength]

    @property
    def prior(self) -> GaussianMixturePrior:
        """Four modes: of the plane by hand, in more dimensions at random on a sphere of radius 1.6."""
        if self.dimensions == 2:
            means = torch.tensor([[-1.5, 0.0], [1.5, 0.5], [0.0, 1.8], [0.3, -1.7]])
        else:
            means = torch.randn(4, self.dimensions, generator=torch.Generator().manual_seed(self.dimensions))
            means = 1.6 * means / means.norm(dim=1, keepdim=True)
        return GaussianMixturePrior(means, VARIANCE, torch.tensor(MASSES))

    @property
    def reward(self) -> LinearReward | QuadraticReward:
        vector = torch.zeros(self.dimensions)
        if self.shape == "quadratic":
            vector[0] = vector[1] = 1.0
            return QuadraticReward(vector)
        vector[0], vector[1] = 1.0, -0.5
        return LinearReward(vector)

    @property
    def target(self) -> Mixture:
        return tilted(self.prior, self.reward, self.beta)


def cases(dimensions: tuple[int, ...]) -> list[Case]:
    """Every shape and strength in each dimension."""
    return [
        Case(d, shape, strength)
        for d in dimensions
        for shape in ("quadratic", "linear")
        for strength in BETAS
    ]
