"""The paper's reward network: a small CNN on the particle itself, whatever its noise."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from apa.errors import InvalidArgument
from apa.priors.base import Denoised, Prior
from apa.surrogates.base import Joint, Prediction, Surrogate, in_users_units
from apa.surrogates.link import Link
from apa.surrogates.parts import Description, check_positive, check_shapes, damaged, describe, encode
from apa.surrogates.posterior import Posterior
from apa.surrogates.stacked_networks import frozen

HIDDEN_DIM = 64
_NETWORK = "network."


class RewardNetwork(nn.Module):
    """Two strided convolutions, a pool to 4 x 4, a hidden layer; smooth, as sampling follows its gradient."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(32 * 16, HIDDEN_DIM),
            nn.SiLU(),
        )
        self.head = nn.Linear(HIDDEN_DIM, 1)

    def hidden(self, x: Tensor) -> Tensor:
        """(N, HIDDEN_DIM), what the last layer sees."""
        return cast(Tensor, self.body(x))

    def forward(self, x: Tensor) -> Tensor:
        """(N,), standardised reward of x: (N, C, H, W)."""
        return cast(Tensor, self.head(self.hidden(x))).squeeze(1)


class CnnDescription(Description):
    """The part of a CNN artifact that is not tensors."""

    family: Literal["cnn"] = "cnn"
    data_shape: tuple[int, int, int]
    reward_mean: float
    reward_scale: float = Field(gt=0.0)
    intercept_scale: float
    weight_std: float = Field(ge=0.0)


@dataclass(frozen=True, eq=False)
class CnnSurrogate(Surrogate):
    """f_theta(x), fitted on clean items and evaluated at x_t, as Algorithms 1 and 2 print it.

    Its uncertainty is that of a Bayesian last layer on the fitted hidden units.
    """

    family: ClassVar[str] = "cnn"
    depends_on_t: ClassVar[bool] = False

    network: RewardNetwork
    data_shape: tuple[int, int, int]
    posterior: Posterior
    reward_mean: float
    reward_scale: float
    prior_hash: str = ""
    link: Link = "identity"

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        del t, denoised
        return cast(Tensor, self.network(x_t.float())).to(x_t)

    @torch.no_grad()
    def predict(self, prior: Prior, x_0: Tensor) -> Prediction:
        del prior
        x_0 = x_0.float()
        mean = cast(Tensor, self.network(x_0))
        std = self.posterior.variance(self.network.hidden(x_0)).sqrt()
        return in_users_units(mean, std, self.reward_mean, self.reward_scale, self.link)

    @torch.no_grad()
    def joint(self, prior: Prior, x_0: Tensor) -> Joint:
        del prior
        x_0 = x_0.float()
        mean = cast(Tensor, self.network(x_0)).double()
        return Joint(mean, self.posterior.covariance(self.network.hidden(x_0).double()))

    def to(self, device: torch.device | str) -> Self:
        # A module moves in place: without the copy, the surrogate that was asked would move as well.
        network = copy.deepcopy(self.network).to(device)
        return replace(self, network=network, posterior=self.posterior.to(device))

    def to_bytes(self) -> bytes:
        p = self.posterior
        description = CnnDescription(
            data_shape=self.data_shape,
            reward_mean=self.reward_mean,
            reward_scale=self.reward_scale,
            link=self.link,
            intercept_scale=p.intercept_scale,
            weight_std=p.weight_std,
        )
        tensors = {_NETWORK + name: tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {"feature_mean": p.feature_mean, "feature_scale": p.feature_scale, "factor": p.factor}
        return encode(description, tensors)

    @classmethod
    def of_parts(cls, raw: dict[str, object], tensors: dict[str, Tensor]) -> Self:
        """The surrogate of a decoded artifact; raises DataLoss when the parts do not fit together."""
        d = describe(raw, CnnDescription)
        if not 1 <= d.data_shape[0] <= 1024:
            raise damaged("1 to 1024 channels", str(d.data_shape), field="data_shape")
        network = RewardNetwork(d.data_shape[0])
        _check_tensors(tensors, network)
        network.load_state_dict({name: tensors[_NETWORK + name] for name in network.state_dict()})
        posterior = Posterior(
            tensors["feature_mean"],
            tensors["feature_scale"],
            tensors["factor"],
            d.intercept_scale,
            d.weight_std,
        )
        return cls(frozen(network), d.data_shape, posterior, d.reward_mean, d.reward_scale, link=d.link)


def image_shape(data_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The data shape of an image prior.

    Raises:
        InvalidArgument: the items are not images, so a CNN cannot read them.
    """
    if len(data_shape) != 3:
        raise InvalidArgument(
            "the cnn surrogate reads images only; use linear",
            field="surrogate",
            expected="a prior with data shape (C, H, W)",
            found=str(tuple(data_shape)),
        )
    channels, height, width = data_shape
    return channels, height, width


def _check_tensors(tensors: dict[str, Tensor], network: RewardNetwork) -> None:
    rows = tensors["factor"].shape[0] if "factor" in tensors and tensors["factor"].dim() == 2 else 0
    expected = {_NETWORK + name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    check_shapes(
        tensors,
        expected
        | {"feature_mean": (HIDDEN_DIM,), "feature_scale": (HIDDEN_DIM,), "factor": (rows, HIDDEN_DIM + 1)},
    )
    check_positive(tensors, "feature_scale")
