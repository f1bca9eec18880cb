"""Fitting the linear heads: one at the data end by the answers' own likelihood, the noisier ones after it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.linear import LinearSurrogate
from apa.surrogates.posterior import Posterior
from trainer_worker.fit.encode import LEVELS, Encode, encode_items
from trainer_worker.fit.head import Head, fit_head, with_intercept
from trainer_worker.fit.ridge import choose_ratio, posterior, spectrum
from trainer_worker.fit.standardise import FeatureScale, feature_scale
from trainer_worker.fit.transport import Transport
from trainer_worker.observations import Observations

RawHead = tuple[Tensor, Tensor]
"""Weights (F,) and intercept () on the raw features."""


def fit_linear(
    prior: Prior,
    observations: Observations,
    seed: int,
    encode: Encode = encode_items,
    transport: Transport | None = None,
) -> LinearSurrogate:
    """The heads for the observed items, by the likelihood of their kind of answer.

    The head at the data end is fitted to the items as they are. Those at noisier levels follow from it by
    the prior's transport; a prior without one gets, at each level, a regression of the rewards, or of the
    latents that the choices speak for, on noised copies of the items.
    """
    features = encode(prior, observations.x, seed, transport is None)
    clean = features.clean.double()
    scale = feature_scale(clean) if transport is None else transport.clean
    end = fit_head(standardised(clean, scale), observations)
    if transport is None:
        noised = [_regressed(copies.double()[:, end.rows], end.y) for copies in features.noised]
    else:
        noised = _transported(transport, end)
    blind = torch.zeros_like(scale.mean), torch.zeros((), dtype=torch.float64)
    heads = [blind, *noised, _fold(scale, end.weights, end.intercept)]
    return LinearSurrogate(
        schedule=prior.schedule,
        levels=torch.tensor(LEVELS),
        weights=torch.stack([weights for weights, _ in heads]).float(),
        intercepts=torch.stack([intercept for _, intercept in heads]).float(),
        posterior=posterior_of(scale, end),
        reward_mean=end.reward_mean,
        reward_scale=end.reward_scale,
        prior_hash=prior.content_hash,
        link=end.link,
    )


def _transported(transport: Transport, end: Head) -> list[RawHead]:
    """w . z_0_hat(phi) at each level, where z_0_hat = phi @ map + offset."""
    w = end.weights / math.sqrt(len(transport.clean.scale))
    pairs = zip(transport.maps, transport.offsets, strict=True)
    return [(matrix @ w, offset @ w + end.intercept) for matrix, offset in pairs]


def standardised(features: Tensor, scale: FeatureScale) -> Tensor:
    """(*B, M, F), of about unit length together."""
    return (features - scale.mean) / (scale.scale * math.sqrt(features.shape[-1]))


def posterior_of(scale: FeatureScale, end: Head) -> Posterior:
    """What the sampler is told of the uncertainty at the data end."""
    width = scale.scale * math.sqrt(len(scale.scale))
    return Posterior(
        scale.mean.float(), width.float(), end.factor.float(), end.intercept_scale, end.weight_std
    )


def _regressed(copies: Tensor, y: Tensor) -> RawHead:
    """One level's regression; copies: (D, R, F), y: (R,).

    The D copies share their item's one answer: the ratio comes from the evidence averaged over draws, and
    in the final fit each copy counts for 1 / D.
    """
    scale = feature_scale(copies.flatten(0, 1))
    designs = [with_intercept(standardised(features, scale)) for features in copies]
    ratio = choose_ratio([spectrum(design, y) for design in designs])
    share = math.sqrt(1.0 / len(copies))
    head = posterior(spectrum(share * torch.cat(designs), share * y.repeat(len(copies))), ratio)
    return _fold(scale, head.weights[:-1], head.weights[-1])


def _fold(scale: FeatureScale, weights: Tensor, intercept: Tensor) -> RawHead:
    """The standardisation goes into the weights."""
    weights = weights / (scale.scale * math.sqrt(len(scale.scale)))
    return weights, intercept - weights @ scale.mean
