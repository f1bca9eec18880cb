"""A Gaussian mixture with features, so that the default surrogate, linear on the prior's own, serves it too.

What the middle of a trained denoiser knows, an analytic one says in closed form: which component a particle
is of, its denoised estimate, and smooth functions of that (random Fourier features, Rahimi and Recht 2007).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from apa.priors.base import Denoised, Prior
from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.priors.posterior_variance import PosteriorVariance
from apa.records.prior_card import PriorCard

NUM_WAVES = 128
SCALES = (0.25, 0.5, 1.0)
"""Length scales, in median distances between two draws; a third of the waves each."""


class FeaturedMixture(Prior):
    """The mixture itself, its features: responsibilities (K), x_0_hat (D), waves of x_0_hat (NUM_WAVES)."""

    def __init__(self, mixture: GaussianMixturePrior, name: str) -> None:
        self.mixture = mixture
        self.schedule = mixture.schedule
        self.content_hash = mixture.content_hash
        dims = mixture.means.shape[1]
        self.card = PriorCard(
            name=name,
            kind="gaussian_mixture",
            data_shape=(dims,),
            decoder="none",
            feature_dim=len(mixture.means) + dims + NUM_WAVES,
        )
        self._frequencies, self._phases = _waves(mixture, torch.Generator().manual_seed(0))

    @property
    def posterior_variance(self) -> PosteriorVariance | None:
        return self.mixture.posterior_variance

    def denoise(self, x_t: Tensor, t: Tensor) -> Denoised:
        x_0_hat = self.mixture.denoise(x_t, t).x_0_hat
        waves = torch.cos(x_0_hat @ self._frequencies.to(x_t) + self._phases.to(x_t))
        features = torch.cat([self._responsibilities(x_t, t), x_0_hat, waves], dim=1)
        return Denoised(x_0_hat, features)

    def _responsibilities(self, x_t: Tensor, t: Tensor) -> Tensor:
        """(N, K), of components that share one variance."""
        a, s = self.schedule.scale(t)[:, None], self.schedule.std(t)[:, None]
        variance = a * a * float(self.mixture.variance.flatten()[0]) + s * s
        squared = (x_t[:, None, :] - a[:, :, None] * self.mixture.means.to(x_t)).square().sum(dim=2)
        return (self.mixture.weights.to(x_t).log() - 0.5 * squared / variance).softmax(dim=1)


def _waves(mixture: GaussianMixturePrior, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Frequencies (D, NUM_WAVES) and phases (NUM_WAVES,)."""
    distance = float(torch.pdist(mixture.sample(500, generator)).median())
    lengths = distance * torch.tensor([SCALES[i % len(SCALES)] for i in range(NUM_WAVES)])
    directions = torch.randn(mixture.means.shape[1], NUM_WAVES, generator=generator)
    return directions / lengths, 2.0 * math.pi * torch.rand(NUM_WAVES, generator=generator)
