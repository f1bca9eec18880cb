"""What a network is trained to, by kind of answer, and the scale of its outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from apa.surrogates.link import Link
from trainer_worker.fit.choices import NOISE_VARIANCE, Choices
from trainer_worker.fit.standardise import standardise_rewards
from trainer_worker.observations import Observations


class Units(NamedTuple):
    """latent = mean + scale output; what a network's outputs mean."""

    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def of_rewards(cls, observations: Observations) -> Units:
        """Those in which the rewards have zero mean and unit variance."""
        return cls(*standardise_rewards(observations.values)[1:])


class Loss(Protocol):
    """How badly outputs explain the answers.

    Attributes:
        link: from latents to the user's units.
    """

    link: Link

    def __call__(self, outputs: Tensor) -> Tensor:
        """(...), the mean over answers, of outputs for the items: (..., M), differentiable in them."""


@dataclass(frozen=True, eq=False)
class SquaredError(Loss):
    """Of rewards y: (A,), in the outputs' units, of the items `rows`: (A,)."""

    y: Tensor
    rows: Tensor
    link: Link = "identity"

    def __call__(self, outputs: Tensor) -> Tensor:
        return (outputs[..., self.rows] - self.y.to(outputs)).square().mean(dim=-1)


@dataclass(frozen=True, eq=False)
class LogLoss(Loss):
    """Logistic of likes, Bradley-Terry of comparisons, Plackett-Luce of rankings."""

    choices: Choices
    units: Units
    count: int
    link: Link

    def __call__(self, outputs: Tensor) -> Tensor:
        latents = (self.units.mean + self.units.scale * outputs).reshape(-1, outputs.shape[-1])
        log_likelihood: Tensor = torch.vmap(self.choices.log_likelihood)(latents)
        return -log_likelihood.reshape(outputs.shape[:-1]) / self.count


def loss_of(observations: Observations, units: Units) -> Loss:
    """The loss of the observations' kind, for outputs in these units."""
    if observations.kind == "scalar":
        return SquaredError((observations.values - units.mean) / units.scale, observations.item_of_value)
    link: Link = "logistic" if observations.kind == "binary" else "identity"
    return LogLoss(Choices.of(observations), units, len(observations), link)


def units_of_outputs(outputs: Tensor, observations: Observations) -> Units:
    """Those of latents of choices: as wide as what answers express, their own noise included.

    The same as of the linear heads (`trainer_worker.fit.laplace.spread`).

    Args:
        outputs: (E, M), latents of the items by E equally likely networks.
    """
    mean = outputs.double().mean(dim=0)
    unknown = outputs.double().var(dim=0, correction=0).mean()
    variance = float(mean.var(correction=0) + unknown) + NOISE_VARIANCE[observations.kind]
    return Units(float(mean.mean()), math.sqrt(variance))
