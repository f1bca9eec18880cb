"""The linear head at the data end: by ridge regression on rewards, by Laplace's approximation on choices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.surrogates.link import Link
from apa.surrogates.posterior import Posterior
from trainer_worker.fit.choices import NOISE_VARIANCE, Choices
from trainer_worker.fit.laplace import BASE_RATE_STD, choose_posterior, spread
from trainer_worker.fit.ridge import choose_ratio, posterior, spectrum
from trainer_worker.fit.standardise import FeatureScale, standardise_rewards
from trainer_worker.observations import Observations


@dataclass(frozen=True, eq=False)
class DataEnd:
    """A head on standardised features, [(phi - mean) / scale / sqrt(F), 1] -> standardised reward.

    Attributes:
        weights: (F,). intercept: ().
        y: (R,), what the head was fitted to, standardised, for the noisier levels to learn from as well.
        rows: (R,), the items that y is of.
        reward_mean, reward_scale: of one standardised unit.
        link: from latents to the user's units.
    """

    scale: FeatureScale
    weights: Tensor
    intercept: Tensor
    posterior: Posterior
    y: Tensor
    rows: Tensor
    reward_mean: float
    reward_scale: float
    link: Link = "identity"


def fit_data_end(features: Tensor, observations: Observations, scale: FeatureScale) -> DataEnd:
    """The head that the answers speak for.

    Args:
        features: (M, F), clean, float64.
        scale: what standardises them.
    """
    design = standardised(features, scale)
    if observations.kind == "scalar":
        return _of_rewards(design, observations, scale)
    return _of_choices(design, observations, scale)


def standardised(features: Tensor, scale: FeatureScale) -> Tensor:
    """(M, F), of about unit length together."""
    return (features - scale.mean) / (scale.scale * math.sqrt(features.shape[1]))


def with_intercept(design: Tensor) -> Tensor:
    """(M, F + 1), with the intercept's column."""
    return torch.cat([design, torch.ones_like(design[:, :1])], dim=1)


def _of_rewards(design: Tensor, observations: Observations, scale: FeatureScale) -> DataEnd:
    rows = observations.item_of_value
    y, reward_mean, reward_scale = standardise_rewards(observations.values)
    problem = spectrum(with_intercept(design)[rows], y)
    known = posterior(problem, choose_ratio([problem]))
    unknown = _posterior(scale, known.factor, 1.0, math.sqrt(known.variance))
    return DataEnd(scale, known.weights[:-1], known.weights[-1], unknown, y, rows, reward_mean, reward_scale)


def _of_choices(design: Tensor, observations: Observations, scale: FeatureScale) -> DataEnd:
    noise_variance = NOISE_VARIANCE[observations.kind]
    likes = observations.kind == "binary"
    known = choose_posterior(
        Choices.of(observations), design, noise_variance, BASE_RATE_STD if likes else 0.0
    )
    reward_mean, reward_scale = float(known.f.mean()), spread(known, noise_variance)
    intercept = known.intercept_scale * known.weights[-1]
    return DataEnd(
        scale=scale,
        weights=known.weights[:-1] / reward_scale,
        intercept=(intercept - reward_mean) / reward_scale,
        posterior=_posterior(scale, known.factor, known.intercept_scale, known.weight_std / reward_scale),
        y=(known.f - reward_mean) / reward_scale,
        rows=torch.arange(len(design)),
        reward_mean=reward_mean,
        reward_scale=reward_scale,
        link="logistic" if likes else "identity",
    )


def _posterior(scale: FeatureScale, factor: Tensor, intercept_scale: float, weight_std: float) -> Posterior:
    width = scale.scale * math.sqrt(len(scale.scale))
    return Posterior(scale.mean.float(), width.float(), factor.float(), intercept_scale, weight_std)
