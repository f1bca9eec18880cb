"""An ensemble of small networks on the denoised estimate; where its members disagree, it is uncertain."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Literal, Self, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import silu

from apa.priors.base import Denoised, Prior
from apa.surrogates.base import Joint, Prediction, Surrogate, in_users_units
from apa.surrogates.link import Link
from apa.surrogates.parts import DataShape, Description, check_positive, check_shapes, describe, encode
from apa.surrogates.reading import Reading
from apa.surrogates.stacked_networks import frozen

NUM_MEMBERS = 8
HIDDEN_DIM = 32
FLOOR_STD = 0.1
"""Of every item for itself, standardised: eight members that agree may still all be wrong."""


class Ensemble(nn.Module):
    """E networks of two hidden layers, their weights side by side, so that one product computes all.

    Attributes:
        weights: of each layer, (E, fan_in, fan_out). biases: (E, 1, fan_out).
    """

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self.reading = reading
        dims = (len(reading.centre), HIDDEN_DIM, HIDDEN_DIM, 1)
        pairs = list(pairwise(dims))
        self.weights = nn.ParameterList(torch.zeros(NUM_MEMBERS, *pair) for pair in pairs)
        self.biases = nn.ParameterList(torch.zeros(NUM_MEMBERS, 1, pair[1]) for pair in pairs)

    def members(self, x_0: Tensor) -> Tensor:
        """(E, N), each network's standardised reward of x_0: (N, *data_shape)."""
        h = self.reading.read(x_0)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = (h if layer == 0 else silu(h)) @ weight + bias
        return h.squeeze(-1)

    def forward(self, x_0: Tensor) -> Tensor:
        """(N,), their mean."""
        return self.members(x_0).mean(dim=0)


class MlpDescription(Description):
    """The part of an MLP artifact that is not tensors."""

    family: Literal["mlp"] = "mlp"
    data_shape: DataShape
    reward_mean: float
    reward_scale: float = Field(gt=0.0)


@dataclass(frozen=True, eq=False)
class MlpSurrogate(Surrogate):
    """r(x_t, t) = f(x_0_hat(x_t, t)), the mean of an ensemble that was fitted on clean items."""

    family: ClassVar[str] = "mlp"
    depends_on_t: ClassVar[bool] = True

    network: Ensemble
    data_shape: tuple[int, ...]
    reward_mean: float
    reward_scale: float
    link: Link = "identity"

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        del t  # It acts through the denoised estimate.
        return cast(Tensor, self.network(denoised.x_0_hat.float())).to(x_t)

    @torch.no_grad()
    def predict(self, prior: Prior, x_0: Tensor) -> Prediction:
        del prior
        members = self.network.members(x_0.float()).double()
        std = (members.var(dim=0) + FLOOR_STD**2).sqrt()
        return in_users_units(members.mean(dim=0), std, self.reward_mean, self.reward_scale, self.link)

    @torch.no_grad()
    def joint(self, prior: Prior, x_0: Tensor) -> Joint:
        del prior
        members = self.network.members(x_0.float()).double()
        mean = members.mean(dim=0)
        apart = members - mean
        floor = FLOOR_STD**2 * torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
        return Joint(mean, apart.T @ apart / (len(members) - 1) + floor)

    def to(self, device: torch.device | str) -> Self:
        # A module moves in place: without the copy, the surrogate that was asked would move as well.
        return replace(self, network=copy.deepcopy(self.network).to(device))

    def to_bytes(self) -> bytes:
        description = MlpDescription(
            data_shape=self.data_shape,
            reward_mean=self.reward_mean,
            reward_scale=self.reward_scale,
            link=self.link,
        )
        return encode(description, self.network.state_dict())

    @classmethod
    def of_parts(cls, raw: dict[str, object], tensors: dict[str, Tensor]) -> Self:
        """The surrogate of a decoded artifact; raises DataLoss when the parts do not fit together."""
        d = describe(raw, MlpDescription)
        # Without memory, until the tensors are known to be of the description's shape.
        with torch.device("meta"):
            network = Ensemble(Reading.like(d.data_shape))
        check_shapes(tensors, {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
        check_positive(tensors, "reading.scale")
        network.load_state_dict(tensors, assign=True)
        return cls(frozen(network), d.data_shape, d.reward_mean, d.reward_scale, d.link)
