"""Fitting the linear heads: one regression per noise level, each as strong as its evidence allows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.linear import LinearSurrogate
from apa.surrogates.posterior import Posterior
from trainer_worker.fit.encode import LEVELS, Encode, encode_items
from trainer_worker.fit.ridge import RidgePosterior, choose_ratio, posterior, spectrum
from trainer_worker.fit.standardise import FeatureScale, feature_scale, standardise_rewards
from trainer_worker.fit.transport import Transport
from trainer_worker.observations import Observations

Head = tuple[Tensor, Tensor]
"""Weights (F,) and intercept () on the raw features."""


def fit_linear(
    prior: Prior,
    observations: Observations,
    seed: int,
    encode: Encode = encode_items,
    transport: Transport | None = None,
) -> LinearSurrogate:
    """The heads for the observed items.

    The head at the data end is a regression on the items as they are. Those at noisier levels follow from
    it by the prior's transport; a prior without one gets a regression on noised copies of the items at each
    level.
    """
    observations.require("scalar", family="linear")
    x = observations.x[observations.item_of_value]
    y, reward_mean, reward_scale = standardise_rewards(observations.values)
    features = encode(prior, x, seed, transport is None)
    known_scale = None if transport is None else transport.clean
    scale, data_end = _head(features.clean[None].double(), y, known_scale)
    if transport is None:
        noised = [_fold(*_head(copies.double(), y)) for copies in features.noised]
    else:
        noised = _transported(transport, data_end)
    blind = torch.zeros_like(scale.mean), torch.zeros((), dtype=torch.float64)
    heads = [blind, *noised, _fold(scale, data_end)]
    width = scale.scale * math.sqrt(len(scale.scale))
    return LinearSurrogate(
        schedule=prior.schedule,
        levels=torch.tensor(LEVELS),
        weights=torch.stack([weights for weights, _ in heads]).float(),
        intercepts=torch.stack([intercept for _, intercept in heads]).float(),
        posterior=Posterior(
            scale.mean.float(), width.float(), data_end.factor.float(), 1.0, math.sqrt(data_end.variance)
        ),
        reward_mean=reward_mean,
        reward_scale=reward_scale,
        prior_hash=prior.content_hash,
    )


def _transported(transport: Transport, data_end: RidgePosterior) -> list[Head]:
    """w . z_0_hat(phi) at each level, where z_0_hat = phi @ map + offset."""
    w = data_end.weights[:-1] / math.sqrt(len(transport.clean.scale))
    pairs = zip(transport.maps, transport.offsets, strict=True)
    return [(matrix @ w, offset @ w + data_end.weights[-1]) for matrix, offset in pairs]


def _head(
    copies: Tensor, y: Tensor, scale: FeatureScale | None = None
) -> tuple[FeatureScale, RidgePosterior]:
    """One level's regression; copies: (D, M, F), y: (M,); scale: of these, unless a better one is known.

    The D copies share their item's one answer: the ratio comes from the evidence averaged over draws, and
    in the final fit each copy counts for 1 / D.
    """
    scale = scale or feature_scale(copies.flatten(0, 1))
    designs = [_design(features, scale) for features in copies]
    ratio = choose_ratio([spectrum(design, y) for design in designs])
    share = math.sqrt(1.0 / len(copies))
    return scale, posterior(spectrum(share * torch.cat(designs), share * y.repeat(len(copies))), ratio)


def _design(features: Tensor, scale: FeatureScale) -> Tensor:
    """(M, F + 1): standardised features of about unit length together, and the intercept's column."""
    z = (features - scale.mean) / (scale.scale * math.sqrt(features.shape[1]))
    return torch.cat([z, torch.ones_like(z[:, :1])], dim=1)


def _fold(scale: FeatureScale, head: RidgePosterior) -> Head:
    """The standardisation goes into the weights."""
    weights = head.weights[:-1] / (scale.scale * math.sqrt(len(scale.scale)))
    return weights, head.weights[-1] - weights @ scale.mean
