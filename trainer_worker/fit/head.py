"""A Bayesian head on any design: ridge regression on rewards, Laplace's approximation on choices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.surrogates.link import Link
from trainer_worker.fit.choices import NOISE_VARIANCE, Choices
from trainer_worker.fit.laplace import BASE_RATE_STD, COARSE_RATIOS, RATIOS, choose_posterior, spread
from trainer_worker.fit.ridge import best_ratio, posterior, spectrum
from trainer_worker.fit.standardise import standardise_rewards
from trainer_worker.observations import Observations


@dataclass(frozen=True, eq=False)
class Head:
    """[design, 1] -> standardised reward.

    Attributes:
        weights: (P,). intercept: ().
        factor: (K, P + 1), of the posterior covariance weight_std^2 (I - factor^T factor) for designs
            [z, intercept_scale].
        y: (R,), what the head was fitted to, standardised.
        rows: (R,), the items that y is of.
        reward_mean, reward_scale: of one standardised unit.
        link: from latents to the user's units.
        log_evidence: log p(answers) at the strength that was chosen, with its prior, up to a constant of the
            answers: to compare designs by.
    """

    weights: Tensor
    intercept: Tensor
    factor: Tensor
    intercept_scale: float
    weight_std: float
    y: Tensor
    rows: Tensor
    reward_mean: float
    reward_scale: float
    link: Link
    log_evidence: float


def fit_head(design: Tensor, observations: Observations, *, coarsely: bool = False) -> Head:
    """The head that the answers speak for; its strength is chosen by evidence.

    Args:
        design: (M, P), float64, a row for each item.
        coarsely: try only a few strengths where each takes long: enough to compare designs by.

    Raises:
        NumericalError: the mode of the answers' likelihood was not found.
    """
    if observations.kind == "scalar":
        return _of_rewards(design, observations)
    return _of_choices(design, observations, COARSE_RATIOS if coarsely else RATIOS)


def with_intercept(design: Tensor) -> Tensor:
    """(M, P + 1), with the intercept's column."""
    return torch.cat([design, torch.ones_like(design[:, :1])], dim=1)


def _of_rewards(design: Tensor, observations: Observations) -> Head:
    rows = observations.item_of_value
    y, reward_mean, reward_scale = standardise_rewards(observations.values)
    problem = spectrum(with_intercept(design)[rows], y)
    ratio, log_evidence = best_ratio([problem])
    known = posterior(problem, ratio)
    return Head(
        weights=known.weights[:-1],
        intercept=known.weights[-1],
        factor=known.factor,
        intercept_scale=1.0,
        weight_std=math.sqrt(known.variance),
        y=y,
        rows=rows,
        reward_mean=reward_mean,
        reward_scale=reward_scale,
        link="identity",
        log_evidence=log_evidence,
    )


def _of_choices(design: Tensor, observations: Observations, ratios: Tensor) -> Head:
    noise_variance = NOISE_VARIANCE[observations.kind]
    likes = observations.kind == "binary"
    known = choose_posterior(
        Choices.of(observations), design, noise_variance, BASE_RATE_STD if likes else 0.0, ratios
    )
    reward_mean, reward_scale = float(known.f.mean()), spread(known, noise_variance)
    intercept = known.intercept_scale * known.weights[-1]
    return Head(
        weights=known.weights[:-1] / reward_scale,
        intercept=(intercept - reward_mean) / reward_scale,
        factor=known.factor,
        intercept_scale=known.intercept_scale,
        weight_std=known.weight_std / reward_scale,
        y=(known.f - reward_mean) / reward_scale,
        rows=torch.arange(len(design)),
        reward_mean=reward_mean,
        reward_scale=reward_scale,
        link="logistic" if likes else "identity",
        log_evidence=known.log_evidence,
    )
