"""Closed forms: a taste with four optima in the plane, components with an attribute in 64 dimensions."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.records.session import SessionConfig
from benchmarks.alignment.tasks.featured import FeaturedMixture
from benchmarks.alignment.tasks.task import HiddenTaste, Task, best_of, bisect
from trainer_worker.fit import Transport
from trainer_worker.fit.transport import fit_transport

VARIANCE = 0.15
STD = VARIANCE**0.5
NUM_DRAWS = 200_000
"""Exact draws of the prior that rates and attainable rewards are measured on."""
TRANSPORT_DRAWS = 2000
K = 8
WIDTH = 0.5
"""Of an optimum in the plane."""
STEEPNESS = 0.6
"""Standard deviations over which an attribute turns from disliked to liked."""


class MixtureTask(Task):
    """What the two share: exact draws, exact density."""

    rarities = (1e-1, 1e-2, 1e-3, 1e-4)

    def __init__(self, name: str, mixture: GaussianMixturePrior) -> None:
        self.name = name
        self.config = SessionConfig(prior=name, budget=80, particles_per_round=K, num_particles=32)
        self._prior = FeaturedMixture(mixture, name)

    @property
    def prior(self) -> FeaturedMixture:
        return self._prior

    @cached_property
    def transport(self) -> Transport:
        draws = self.prior.mixture.sample(TRANSPORT_DRAWS, torch.Generator().manual_seed(2))
        return fit_transport(self.prior, draws, seed=0)

    @cached_property
    def draws(self) -> Tensor:
        """(NUM_DRAWS, D)."""
        return self.prior.mixture.sample(NUM_DRAWS, torch.Generator().manual_seed(1))

    @cached_property
    def _least_density(self) -> float:
        """log q that 99% of the prior's draws exceed."""
        return float(self.prior.mixture.log_density(self.draws[:20_000]).quantile(0.01))

    def valid(self, x: Tensor) -> Tensor:
        return (self.prior.mixture.log_density(x) >= self._least_density).double()


class FourOptima(MixtureTask):
    """r(x) = max_j height_j exp(-|x - c_j|^2 / (2 WIDTH^2)), an optimum beside each of four components.

    Its optima stand as far outside their components as makes them as rare as wanted. Attainable: 1.
    """

    def __init__(self) -> None:
        means = torch.tensor([[-1.5, 0.0], [1.5, 0.5], [0.0, 1.8], [0.3, -1.7]])
        super().__init__(
            "four-optima", GaussianMixturePrior(means, VARIANCE, torch.tensor([0.4, 0.3, 0.2, 0.1]))
        )

    def taste(self, number: int, rarity: float) -> HiddenTaste:
        generator = torch.Generator().manual_seed(number)
        means = self.prior.mixture.means
        heights = 0.7 + 0.3 * torch.rand(4, generator=generator)
        heights = heights / heights.max()
        # Away from the other components, within 60 degrees: inwards it would meet them before it is rare.
        turned = torch.pi / 3.0 * (2.0 * torch.rand(4, generator=generator) - 1.0)
        angle = torch.atan2(means[:, 1], means[:, 0]) + turned
        outwards = torch.stack([angle.cos(), angle.sin()], dim=1)

        def reward_at(away: float, x: Tensor) -> Tensor:
            centres = means + away * STD * outwards
            squared = torch.cdist(x, centres.to(x)).square()
            return (heights.to(x) * torch.exp(-0.5 * squared / WIDTH**2)).double()

        def rate(away: float) -> float:
            return float((reward_at(away, self.draws).amax(dim=1) > 0.5).double().mean())

        away = bisect(rate, rarity, 0.0, 8.0)
        return HiddenTaste(
            reward=lambda x: reward_at(away, x).amax(dim=1),
            mode=lambda x: reward_at(away, x).argmax(dim=1),
            num_modes=4,
            base_rate=rate(away),
            attainable=1.0,
        )


class SixtyFour(MixtureTask):
    """r(x) = sum over liked components k of p(k | x) sigmoid((<u_k, x - m_k> / STD - c) / STEEPNESS).

    One to three of eight components, in each an attribute: a direction, and a threshold c that makes it as
    rare as wanted. Attainable: the best 8 of NUM_DRAWS.
    """

    def __init__(self) -> None:
        means = torch.randn(8, 64, generator=torch.Generator().manual_seed(64))
        means = 1.6 * means / means.norm(dim=1, keepdim=True)
        super().__init__("mixture-64", GaussianMixturePrior(means, VARIANCE, torch.full((8,), 0.125)))

    def taste(self, number: int, rarity: float) -> HiddenTaste:
        generator = torch.Generator().manual_seed(number)
        num_modes = int(torch.randint(1, 4, (), generator=generator))
        liked = torch.randperm(8, generator=generator)[:num_modes]
        means = self.prior.mixture.means[liked]
        directions = torch.randn(num_modes, 64, generator=generator)
        directions = directions / directions.norm(dim=1, keepdim=True)

        def of_modes(x: Tensor) -> tuple[Tensor, Tensor]:
            """(M, modes): responsibility, and attribute in standard deviations."""
            squared = torch.cdist(x.double(), self.prior.mixture.means.double()).square()
            share = (-0.5 * squared / VARIANCE).softmax(dim=1)[:, liked]
            along = (x.double() @ directions.double().T - (means * directions).sum(dim=1).double()) / STD
            return share, along

        drawn = of_modes(self.draws)

        def rewards(threshold: float, parts: tuple[Tensor, Tensor]) -> Tensor:
            share, along = parts
            return (share * torch.sigmoid((along - threshold) / STEEPNESS)).sum(dim=1)

        threshold = bisect(lambda c: _rate(rewards(c, drawn)), rarity, -6.0, 8.0)
        of_draws = rewards(threshold, drawn)
        return HiddenTaste(
            reward=lambda x: rewards(threshold, of_modes(x)),
            mode=lambda x: of_modes(x)[0].argmax(dim=1),
            num_modes=num_modes,
            base_rate=_rate(of_draws),
            attainable=best_of(of_draws, K),
        )


def _rate(rewards: Tensor) -> float:
    return float((rewards > 0.5).double().mean())
