"""What every surrogate is: a differentiable reward along the path, a prediction at the data end, a blob."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from apa.priors.base import Denoised, Prior
from apa.surrogates.link import Link, logistic_moments


class Prediction(NamedTuple):
    """The posterior of the reward of M items, in the user's units: of likes, their probability.

    Attributes:
        mean: (M,), float64.
        std: (M,), float64, of the reward's mean, without the noise of an answer.
    """

    mean: Tensor
    std: Tensor


class Joint(NamedTuple):
    """The joint posterior of the latent reward of M items, standardised, for choosing some of them together.

    Attributes:
        mean: (M,), float64.
        covariance: (M, M), float64, symmetric; positive semi-definite up to rounding.
    """

    mean: Tensor
    covariance: Tensor

    @property
    def correlation(self) -> Tensor:
        """(M, M): the covariance without its unit; what has no variance goes with nothing but itself."""
        std = self.covariance.diagonal().clamp(min=0.0).sqrt()
        scale = torch.where(std > 0.0, 1.0 / std, 0.0)
        return (self.covariance * scale[:, None] * scale).clamp(-1.0, 1.0).fill_diagonal_(1.0)


def in_users_units(
    mean: Tensor, std: Tensor, reward_mean: float, reward_scale: float, link: Link = "identity"
) -> Prediction:
    """The prediction of standardised rewards, mean and std (M,), in the user's units.

    In float64: float32 beside a reward_mean of a million cannot tell apart what differs by hundredths.
    """
    latent = Prediction(reward_mean + reward_scale * mean.double(), reward_scale * std.double())
    return latent if link == "identity" else Prediction(*logistic_moments(*latent))


class Surrogate(ABC):
    """The learned reward f_theta of one session. Immutable; a refit makes another.

    Attributes:
        family: the name by which sessions ask for it.
        depends_on_t: whether `value` changes with t at fixed x; a corrector that ignores it is wrong then.
        prior_hash: content hash of the prior whose features it was fitted on; "" when it uses none.
        reward_mean, reward_scale: of one standardised unit, in the user's units, or in logits where the link
            is logistic.
    """

    family: ClassVar[str]
    depends_on_t: ClassVar[bool]
    prior_hash: str = ""
    reward_mean: float
    reward_scale: float
    link: Link = "identity"

    @abstractmethod
    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        """The potential r(x_t, t): (N,), standardised reward, differentiable in x_t and t.

        Args:
            x_t: (N, *data_shape).
            t: (N,).
            denoised: the denoiser's answer at (x_t, t), still attached to x_t's graph.
        """

    @abstractmethod
    def predict(self, prior: Prior, x_0: Tensor) -> Prediction:
        """What it expects of items at the data end; x_0: (M, *data_shape)."""

    @property
    def feature_level(self) -> float | None:
        """The log-SNR at which `predict_features` reads features; None when it reads anything else."""
        return None

    def latent_features(self, features: Tensor) -> Prediction | None:
        """The posterior of `value` at the data end, by features (M, F); None when it reads anything else.

        Computed in their dtype: in float32 for a first look at many.
        """
        del features
        return None

    def latent_items(self, x_0: Tensor) -> Prediction | None:
        """The same of items x_0: (M, *data_shape) by nothing but themselves; None when it reads more.

        Computed in their dtype as well.
        """
        del x_0
        return None

    def predict_features(self, features: Tensor) -> Prediction | None:
        """`predict` of items by their features (M, F) at the data end; None when it reads anything else."""
        latent = self.latent_features(features)
        return None if latent is None else self.in_users_units(latent)

    def in_users_units(self, latent: Prediction) -> Prediction:
        """Of a posterior of `value`."""
        return in_users_units(*latent, self.reward_mean, self.reward_scale, self.link)

    @abstractmethod
    def joint(self, prior: Prior, x_0: Tensor) -> Joint:
        """What it expects together of items at the data end, in units of `value`; x_0: (M, *data_shape)."""

    def joint_items(self, x_0: Tensor) -> Joint | None:
        """`joint` of items x_0: (M, *data_shape) by nothing but themselves; None when it reads more."""
        del x_0
        return None

    def joint_features(self, features: Tensor) -> Joint | None:
        """`joint` of items by their features (M, F) at the data end; None when it reads anything else."""
        del features
        return None

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """The same surrogate with its tensors on a device; this one stays where it is."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """The safetensors artifact; `apa.surrogates.load` reads it back."""
