"""A Bayesian linear head on the prior's own features: the default surrogate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from apa.errors import FailedPrecondition
from apa.priors.base import Denoised, Prior
from apa.priors.schedule import VPSchedule
from apa.surrogates.base import Joint, Prediction, Surrogate
from apa.surrogates.interpolation import place
from apa.surrogates.link import Link
from apa.surrogates.parts import Description, check_positive, check_shapes, damaged, describe, encode
from apa.surrogates.posterior import Posterior


class LinearDescription(Description):
    """The part of a linear artifact that is not tensors."""

    family: Literal["linear"] = "linear"
    noise_rate_min: float
    noise_rate_max: float
    reward_mean: float
    reward_scale: float = Field(gt=0.0)
    intercept_scale: float
    weight_std: float = Field(ge=0.0)


@dataclass(frozen=True, eq=False)
class LinearSurrogate(Surrogate):
    """One head per noise level, blended linearly in log-SNR: r = v(lambda) . phi(x_t, t) + c(lambda).

    Rewards, or logits where the link is logistic, are standardised, (reward - reward_mean) / reward_scale;
    the features' standardisation is folded into the weights, so that the heads of many users stack into
    plain batched tensors.

    Attributes:
        levels: (L,), log-SNR, ascending; the last is the data end.
        weights: (L, F). intercepts: (L,).
        posterior: of the head at the data end.
    """

    family: ClassVar[str] = "linear"
    depends_on_t: ClassVar[bool] = True

    schedule: VPSchedule
    levels: Tensor
    weights: Tensor
    intercepts: Tensor
    posterior: Posterior
    reward_mean: float
    reward_scale: float
    prior_hash: str
    link: Link = "identity"

    @cached_property
    def level_values(self) -> tuple[float, ...]:
        """`levels` on the host: to compare heads by them must not make a device wait."""
        return tuple(self.levels.tolist())

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        del x_t  # It acts through the features, which are still attached to it.
        return self.head(self.schedule.log_snr(t), denoised.features)

    def head(self, log_snr: Tensor, features: Tensor) -> Tensor:
        """(N,), the blended heads on features (N, F) at log_snr (N,)."""
        at = place(self.levels, log_snr)
        weights, intercepts = self.weights.to(features), self.intercepts.to(features)
        w = torch.lerp(weights[at.lower], weights[at.upper], at.fraction[:, None])
        b = torch.lerp(intercepts[at.lower], intercepts[at.upper], at.fraction)
        return (w * features).sum(dim=1) + b

    @torch.no_grad()
    def predict(self, prior: Prior, x_0: Tensor) -> Prediction:
        """Posterior of the reward at the data end.

        Raises:
            FailedPrecondition: the prior is not the one whose features the heads were fitted on.
        """
        return self.in_users_units(self.latent_features(self._features(prior, x_0)))

    @property
    def feature_level(self) -> float:
        return self.level_values[-1]

    @torch.no_grad()
    def latent_features(self, features: Tensor) -> Prediction:
        """The head at the data end on features (M, F), which must be this prior's."""
        return Prediction(self._mean(features).double(), self.posterior.variance(features).sqrt().double())

    @torch.no_grad()
    def joint(self, prior: Prior, x_0: Tensor) -> Joint:
        """The joint posterior of the latent reward at the data end.

        Raises:
            FailedPrecondition: the prior is not the one whose features the heads were fitted on.
        """
        return self.joint_features(self._features(prior, x_0))

    @torch.no_grad()
    def joint_features(self, features: Tensor) -> Joint:
        """`joint` of items by their features (M, F) at the data end, which must be this prior's."""
        return Joint(self._mean(features).double(), self.posterior.covariance(features.double()))

    def to(self, device: torch.device | str) -> Self:
        moved = replace(
            self,
            levels=self.levels.to(device),
            weights=self.weights.to(device),
            intercepts=self.intercepts.to(device),
            posterior=self.posterior.to(device),
        )
        # Read before the move, once.
        vars(moved)["level_values"] = self.level_values
        return moved

    def to_bytes(self) -> bytes:
        p = self.posterior
        description = LinearDescription(
            prior_hash=self.prior_hash,
            noise_rate_min=self.schedule.noise_rate_min,
            noise_rate_max=self.schedule.noise_rate_max,
            reward_mean=self.reward_mean,
            reward_scale=self.reward_scale,
            link=self.link,
            intercept_scale=p.intercept_scale,
            weight_std=p.weight_std,
        )
        tensors = {
            "levels": self.levels,
            "weights": self.weights,
            "intercepts": self.intercepts,
            "feature_mean": p.feature_mean,
            "feature_scale": p.feature_scale,
            "factor": p.factor,
        }
        return encode(description, tensors)

    @classmethod
    def of_parts(cls, raw: dict[str, object], tensors: dict[str, Tensor]) -> Self:
        """The surrogate of a decoded artifact; raises DataLoss when the parts do not fit together."""
        d = describe(raw, LinearDescription)
        _check_tensors(tensors)
        posterior = Posterior(
            tensors["feature_mean"],
            tensors["feature_scale"],
            tensors["factor"],
            d.intercept_scale,
            d.weight_std,
        )
        return cls(
            schedule=VPSchedule(d.noise_rate_min, d.noise_rate_max),
            levels=tensors["levels"],
            weights=tensors["weights"],
            intercepts=tensors["intercepts"],
            posterior=posterior,
            reward_mean=d.reward_mean,
            reward_scale=d.reward_scale,
            prior_hash=d.prior_hash,
            link=d.link,
        )

    def _features(self, prior: Prior, x_0: Tensor) -> Tensor:
        self._check_prior(prior)
        return data_end_features(prior, x_0, self.level_values[-1])

    def _mean(self, features: Tensor) -> Tensor:
        return features @ self.weights[-1].to(features) + self.intercepts[-1].to(features)

    def _check_prior(self, prior: Prior) -> None:
        if prior.content_hash != self.prior_hash:
            raise FailedPrecondition(
                "a linear surrogate only fits the prior that its features come from",
                field="prior",
                expected=self.prior_hash[:16],
                found=prior.content_hash[:16],
            )


DATA_END_LOG_SNR = 6.0
"""Where heads read the features of items."""


def data_end_features(prior: Prior, x_0: Tensor, log_snr: float) -> Tensor:
    """(M, F): the features of a x_0 at the cleanest level, scaled as on the path but without its noise.

    Noise-free on purpose: an item always has the same features, and a draw of noise would only blur them.
    """
    level = torch.full((len(x_0),), log_snr, dtype=torch.float64, device=x_0.device)
    t = prior.schedule.time_of_log_snr(level).to(x_0)
    a = prior.schedule.scale(t).reshape((-1,) + (1,) * (x_0.dim() - 1))
    return prior.features(a * x_0, t)


def _check_tensors(tensors: dict[str, Tensor]) -> None:
    if "weights" not in tensors or tensors["weights"].dim() != 2:
        raise damaged(
            "weights (L, F)", str({name: tuple(x.shape) for name, x in tensors.items()}), field="weights"
        )
    num_levels, dim = tensors["weights"].shape
    rows = tensors["factor"].shape[0] if "factor" in tensors and tensors["factor"].dim() == 2 else 0
    check_shapes(
        tensors,
        {
            "levels": (num_levels,),
            "weights": (num_levels, dim),
            "intercepts": (num_levels,),
            "feature_mean": (dim,),
            "feature_scale": (dim,),
            "factor": (rows, dim + 1),
        },
    )
    levels = tensors["levels"]
    if num_levels == 0 or not bool((levels[1:] > levels[:-1]).all()):
        raise damaged("ascending levels", str(levels.tolist()), field="levels")
    check_positive(tensors, "feature_scale")
