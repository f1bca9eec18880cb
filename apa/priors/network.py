"""A prior made of a network: the preconditioning around it, and the two halves a network must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from apa.priors.base import Denoised, Prior
from apa.priors.conditioned import ConditionedPrior
from apa.priors.posterior_variance import PosteriorVariance
from apa.priors.schedule import VPSchedule
from apa.records.prior_card import PriorCard


class DenoiserNetwork(nn.Module, ABC):
    """A network in two halves, so that a gradient of the features never visits the decoder.

    Attributes:
        data_shape: shape of one item.
        feature_dim: F.
        num_classes: labels are 0 to num_classes - 1, and `num_classes` itself means none; 0 classes when the
            network takes no labels.
    """

    data_shape: tuple[int, ...]
    feature_dim: int
    num_classes: int = 0

    @abstractmethod
    def encode(self, x: Tensor, log_snr: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Any]:
        """The features (N, F), and whatever `decode` needs.

        Args:
            x: (N, *data_shape), scaled to unit variance.
            log_snr: (N,).
            labels: (N,) int64, see `num_classes`; None where no item has one.
        """

    @abstractmethod
    def decode(self, state: Any) -> Tensor:
        """(N, *data_shape), in units of the remaining error: variance about one."""

    def forward(self, x: Tensor, log_snr: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(x, log_snr, labels)[1])


@dataclass(frozen=True)
class Preconditioning:
    """Karras et al. 2022 (EDM, table 1) with y = x_t / a and sigma = s / a, around a data mean.

    Written in a and s, because sigma is about 150 at t = 1 while every factor here stays of order one.
    """

    schedule: VPSchedule
    data_mean: float
    data_std: float

    def network_input(self, x_t: Tensor, t: Tensor) -> Tensor:
        """(N, *data_shape), unit variance at every t: c_in y."""
        a, _, norm = self._coefficients(t, x_t.dim())
        return (x_t - a * self.data_mean) / norm

    def x_0_hat(self, x_t: Tensor, t: Tensor, network_output: Tensor) -> Tensor:
        """(N, *data_shape): mean + c_skip y + c_out F(c_in y)."""
        a, s, norm = self._coefficients(t, x_t.dim())
        linear = a * self.data_std**2 / norm**2 * (x_t - a * self.data_mean)
        return self.data_mean + linear + s * self.data_std / norm * network_output

    def target(self, x_t: Tensor, t: Tensor, x_0: Tensor) -> Tensor:
        """What the network should return for this x_0: `x_0_hat` solved for its output."""
        a, s, norm = self._coefficients(t, x_t.dim())
        linear = a * self.data_std**2 / norm**2 * (x_t - a * self.data_mean)
        return (x_0 - self.data_mean - linear) * norm / (s * self.data_std)

    def _coefficients(self, t: Tensor, num_dims: int) -> tuple[Tensor, Tensor, Tensor]:
        t = t.reshape((-1,) + (1,) * (num_dims - 1))
        a, s = self.schedule.scale(t), self.schedule.std(t)
        return a, s, (s * s + (a * self.data_std) ** 2).sqrt()


class NetworkPrior(Prior):
    """A trained denoiser as a prior. The network is frozen and in evaluation mode."""

    def __init__(
        self,
        network: DenoiserNetwork,
        preconditioning: Preconditioning,
        card: PriorCard,
        content_hash: str,
        posterior_variance: PosteriorVariance | None = None,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.preconditioning = preconditioning
        self.schedule = preconditioning.schedule
        self.card = card
        self.content_hash = content_hash
        self._posterior_variance = posterior_variance

    @property
    def posterior_variance(self) -> PosteriorVariance | None:
        return self._posterior_variance

    def denoise(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Denoised:
        """See `Prior.denoise`; labels: (N,), for a network that takes them."""
        features, state = self._encode(x_t, t, labels)
        return Denoised(self.preconditioning.x_0_hat(x_t, t, self.network.decode(state)), features)

    def features(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        return self._encode(x_t, t, labels)[0]

    def conditioned(self, label: int | str, guidance_scale: float = 1.0) -> ConditionedPrior:
        return ConditionedPrior(self, label, guidance_scale)

    def _encode(self, x_t: Tensor, t: Tensor, labels: Tensor | None) -> tuple[Tensor, Any]:
        x, log_snr = self.preconditioning.network_input(x_t, t), self.schedule.log_snr(t)
        return self.network.encode(x, log_snr, labels)

    def to(self, device: torch.device | str) -> NetworkPrior:
        """The same prior on another device; the network is moved, not copied."""
        self.network.to(device)
        return self
