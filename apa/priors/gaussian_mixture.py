"""A Gaussian mixture as a prior: exact score, samples and density; what the mathematics is tested on."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property

import torch
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from apa.errors import InvalidArgument
from apa.priors.base import Denoised, Prior
from apa.priors.posterior_variance import PosteriorVariance, estimate_posterior_variance
from apa.priors.schedule import VPSchedule
from apa.records.prior_card import PriorCard

_WEIGHT_TOLERANCE = 1e-6


class GaussianMixturePrior(Prior):
    """q_0 = sum_k weights_k N(means_k, variance_k), under VP noise.

    Args:
        means: (K, D).
        variance: one for all, or (K, D) for diagonal covariances; positive.
        weights: (K,), positive, summing to 1 within 1e-6.
        schedule: the noise path; 0.1 to 20 unless given.
        card: what is known about it; a plain one unless given.

    Raises:
        InvalidArgument: names the argument that is wrong.
    """

    def __init__(
        self,
        means: Tensor,
        variance: Tensor | float,
        weights: Tensor,
        *,
        schedule: VPSchedule | None = None,
        card: PriorCard | None = None,
    ) -> None:
        self.means = _checked_means(means)
        self.variance = _checked_variance(variance, self.means)
        self.weights = _checked_weights(weights, self.means)
        self.schedule = schedule or VPSchedule()
        self.card = card or PriorCard(
            name="gaussian-mixture",
            kind="gaussian_mixture",
            data_shape=(self.means.shape[1],),
            decoder="none",
            feature_dim=0,
        )
        self.content_hash = hashlib.sha256(tensors_to_bytes(self.tensors())).hexdigest()[:16]

    def denoise(self, x_t: Tensor, t: Tensor) -> Denoised:
        """The exact posterior mean; features (N, 0).

        Each component's posterior mean is m + a v / (a^2 v + s^2) (x_t - a m), weighted by its
        responsibility.
        """
        means, variance = self.means.to(x_t), self.variance.to(x_t)
        a, s = self.schedule.scale(t)[:, None, None], self.schedule.std(t)[:, None, None]
        noised_variance = a * a * variance + s * s
        residual = x_t[:, None, :] - a * means
        component_means = means + a * variance / noised_variance * residual
        responsibilities = self._log_joint(residual, noised_variance).softmax(dim=1)
        x_0_hat = (responsibilities[:, :, None] * component_means).sum(dim=1)
        return Denoised(x_0_hat, x_t.new_zeros(len(x_t), 0))

    def log_density(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """(N,), log q_t(x), normalised; of the data itself when t is None. x: (N, D), t: (N,)."""
        residual, variance = x[:, None, :] - self.means.to(x), self.variance.to(x).expand(len(x), -1, -1)
        if t is not None:
            a, s = self.schedule.scale(t)[:, None, None], self.schedule.std(t)[:, None, None]
            residual, variance = x[:, None, :] - a * self.means.to(x), a * a * variance + s * s
        constant = 0.5 * x.shape[1] * math.log(2.0 * math.pi)
        return self._log_joint(residual, variance).logsumexp(dim=1) - constant

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, D), exact draws of the data."""
        components = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, dtype=self.means.dtype)
        return self.means[components] + self.variance[components].sqrt() * noise.to(self.means)

    @cached_property
    def posterior_variance(self) -> PosteriorVariance:
        """Averaged over its own draws, a thousand values at least."""
        draws = max(256, 4096 // self.means.shape[1])
        return estimate_posterior_variance(self, self.sample(draws, torch.Generator().manual_seed(0)))

    def tensors(self) -> dict[str, Tensor]:
        """What defines it, as a prior folder stores it."""
        named = {"means": self.means, "variance": self.variance, "weights": self.weights}
        return {name: value.detach().cpu().contiguous() for name, value in named.items()}

    def _log_joint(self, residual: Tensor, variance: Tensor) -> Tensor:
        """(N, K), log weights_k N(residual; 0, variance) without the constant; both arguments (N, K, D)."""
        log_normal = -0.5 * (residual * residual / variance + variance.log()).sum(dim=2)
        return self.weights.to(residual).log() + log_normal


def _checked_means(means: Tensor) -> Tensor:
    if means.dim() != 2 or 0 in means.shape:
        raise _invalid("means", "shape (K, D)", f"shape {tuple(means.shape)}")
    if not means.is_floating_point():
        raise _invalid("means", "a float dtype", str(means.dtype))
    if not means.isfinite().all():
        raise _invalid("means", "finite values", "NaN or infinity")
    return means.detach().clone()


def _checked_variance(variance: Tensor | float, means: Tensor) -> Tensor:
    """(K, D), whatever was given."""
    tensor = torch.as_tensor(variance, dtype=means.dtype, device=means.device)
    if tensor.dim() != 0 and tensor.shape != means.shape:
        raise _invalid("variance", f"a number, or shape {tuple(means.shape)}", f"shape {tuple(tensor.shape)}")
    if not (tensor.isfinite().all() and (tensor > 0).all()):
        raise _invalid("variance", "positive and finite", str(tensor.min().item()))
    return tensor.detach().expand(means.shape).clone()


def _checked_weights(weights: Tensor, means: Tensor) -> Tensor:
    if weights.shape != means.shape[:1]:
        raise _invalid("weights", f"shape ({len(means)},)", f"shape {tuple(weights.shape)}")
    if not (weights.isfinite().all() and (weights > 0).all()):
        raise _invalid("weights", "positive and finite", str(weights.tolist()))
    # Float32 thirds sum to 1 within 1e-7; anything further off is a mistake of the caller, not rounding.
    total = weights.double().sum().item()
    if abs(total - 1.0) > _WEIGHT_TOLERANCE:
        raise _invalid("weights", f"a sum of 1 within {_WEIGHT_TOLERANCE}", str(total))
    return (weights.detach().double() / total).to(means)


def _invalid(field: str, expected: str, found: str) -> InvalidArgument:
    return InvalidArgument("not a Gaussian mixture", field=field, expected=expected, found=found)
