"""A prior and surrogates small enough to reason about."""

from __future__ import annotations

import torch
from torch import Tensor

from apa.priors import Denoised, Prior, VPSchedule
from apa.records.prior_card import PriorCard
from apa.surrogates import CnnSurrogate, GpSurrogate, LinearSurrogate, MlpSurrogate
from apa.surrogates.cnn import HIDDEN_DIM, RewardNetwork
from apa.surrogates.coordinates import Coordinates, FeatureCoordinates, ItemCoordinates
from apa.surrogates.mlp import Ensemble
from apa.surrogates.posterior import Posterior
from apa.surrogates.reading import Reading, flat_dim
from apa.surrogates.stacked_networks import frozen


class ToyPrior(Prior):
    """Features are a fixed smooth function of x_t and t; nothing is denoised."""

    def __init__(
        self, data_shape: tuple[int, ...] = (3,), feature_dim: int = 5, content_hash: str = "a1b2"
    ) -> None:
        generator = torch.Generator().manual_seed(7)
        self.size = int(torch.tensor(data_shape).prod())
        self.mix = torch.randn(self.size, feature_dim, generator=generator, dtype=torch.float64)
        self.schedule = VPSchedule()
        self.content_hash = content_hash
        self.calls = 0
        self.encoded = 0
        kind = "image" if len(data_shape) == 3 else "vector"
        self.card = PriorCard.model_validate(
            {
                "name": "toy",
                "kind": kind,
                "data_shape": data_shape,
                "decoder": "none",
                "feature_dim": feature_dim,
            }
        )

    def denoise(self, x_t: Tensor, t: Tensor) -> Denoised:
        self.calls += 1
        self.encoded += len(x_t)
        z = x_t.flatten(1) @ self.mix.to(x_t)
        return Denoised(x_t, torch.tanh(z / 3) + 0.1 * z + t[:, None])


def draw(prior: ToyPrior, count: int, seed: int = 0) -> Tensor:
    """(count, *data_shape), float32 items."""
    return torch.randn(count, *prior.data_shape, generator=torch.Generator().manual_seed(seed))


def random_surrogate(
    seed: int, num_levels: int = 4, dim: int = 5, prior_hash: str = "a1b2"
) -> LinearSurrogate:
    """Heads with nothing learnt, for tests of everything but the fit."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    posterior = Posterior(normal(dim), normal(dim).abs() + 0.5, 0.1 * normal(3, dim + 1), 1.0, 0.7)
    return LinearSurrogate(
        schedule=VPSchedule(),
        levels=torch.linspace(-6, 6, num_levels),
        weights=normal(num_levels, dim),
        intercepts=normal(num_levels),
        posterior=posterior,
        reward_mean=2.5,
        reward_scale=1.5,
        prior_hash=prior_hash,
    )


def random_cnn(seed: int = 0) -> CnnSurrogate:
    """A network with nothing learnt, for 1 x 8 x 8 images."""
    posterior = Posterior(
        torch.zeros(HIDDEN_DIM), torch.ones(HIDDEN_DIM), torch.zeros(2, HIDDEN_DIM + 1), 1.0, 0.3
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = RewardNetwork(1)
    return CnnSurrogate(frozen(network), (1, 8, 8), posterior, 0.5, 2.0)


def random_gp(seed: int, space: str = "features", count: int = 4) -> GpSurrogate:
    """A process through random answers about `count` items, of the toy prior's features or of its items."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    coordinates: Coordinates = ItemCoordinates()
    if space == "features":
        # The same maps for every seed: they are the prior's.
        shared = torch.Generator().manual_seed(0)
        maps = torch.randn(4, 5, 3, generator=shared).half().float()
        offsets = torch.randn(4, 3, generator=shared)
        coordinates = FeatureCoordinates(VPSchedule(), torch.linspace(-6, 6, 4), maps, offsets, "a1b2")
    return GpSurrogate(
        coordinates=coordinates,
        items=normal(count, 3),
        alpha=normal(count),
        intercept=0.3,
        bandwidth=1.5,
        factor=0.2 * normal(count, count + 1),
        intercept_scale=1.0,
        weight_std=0.7,
        reward_mean=2.5,
        reward_scale=1.5,
    )


def random_mlp(seed: int = 0, data_shape: tuple[int, ...] = (3,)) -> MlpSurrogate:
    """An ensemble with nothing learnt."""
    generator = torch.Generator().manual_seed(seed)
    centre = 0.1 * torch.randn(flat_dim(data_shape), generator=generator)
    network = Ensemble(Reading(centre, torch.tensor(1.5)))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4, generator=generator)
    return MlpSurrogate(frozen(network), data_shape, 0.5, 2.0)
