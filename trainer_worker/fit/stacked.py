"""Linear heads of many users fitted to rewards as one batch: the same mathematics as `fit_linear`, stacked.

Sessions with about as many answers share a stack, filled up with rows of zeros, which say nothing. It takes a
few dozen calls of torch however many users are in it, and calls are most of what one small fit costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.linear import LinearSurrogate
from apa.surrogates.posterior import Posterior
from trainer_worker.fit.encode import LEVELS
from trainer_worker.fit.linear import standardised
from trainer_worker.fit.ridge import RATIOS, log_posterior, posterior, spectrum
from trainer_worker.fit.standardise import standardise_stacked
from trainer_worker.fit.transport import Transport
from trainer_worker.observations import Observations

SIZES = (8, 16, 24, 32, 48, 64, 80, 128, 192, 256)
"""Answers that a stack is filled up to; beyond the last, to the next multiple of it."""

Given = tuple[Observations, Tensor]
"""Rewards of M items, and the items' clean features (M, F)."""


def fit_stacked(prior: Prior, given: Sequence[Given], transport: Transport) -> list[LinearSurrogate]:
    """A surrogate for each user, in order; scalar answers only."""
    found: dict[int, LinearSurrogate] = {}
    for places in _of_a_size([len(observations) for observations, _ in given]):
        stack = _fit(prior, [given[place] for place in places], transport)
        found |= dict(zip(places, stack, strict=True))
    return [found[place] for place in range(len(given))]


def _of_a_size(counts: Sequence[int]) -> list[list[int]]:
    """Places in `counts`, those together whose counts are filled up to the same size."""
    by_size: dict[int, list[int]] = {}
    for place, count in enumerate(counts):
        size = next((size for size in SIZES if size >= count), -(-count // SIZES[-1]) * SIZES[-1])
        by_size.setdefault(size, []).append(place)
    return list(by_size.values())


def _fit(prior: Prior, given: Sequence[Given], transport: Transport) -> list[LinearSurrogate]:
    features, rewards, present = _padded(given)
    y, mean, scale = standardise_stacked(rewards, present)
    one = present[..., None].double()
    design = torch.cat([standardised(features, transport.clean) * one, one], dim=-1)
    problem = spectrum(design, y, present.sum(dim=-1).double())
    known = posterior(problem, RATIOS[log_posterior(problem).argmax(dim=-1)])
    weights, intercepts = _heads(known.weights, transport)
    factors, stds = known.factor.float(), known.variance.sqrt().tolist()
    width = transport.clean.scale * math.sqrt(prior.feature_dim)
    shared = transport.clean.mean.float(), width.float()
    levels = torch.tensor(LEVELS)
    rows = zip(
        weights.unbind(), intercepts.unbind(), factors, stds, mean.tolist(), scale.tolist(), strict=True
    )
    # Rows that fill up have eigenvalue 0, and eigenvalues ascend.
    sizes = [min(len(observations), factors.shape[1]) for observations, _ in given]
    return [
        LinearSurrogate(
            schedule=prior.schedule,
            levels=levels,
            weights=w,
            intercepts=b,
            posterior=Posterior(*shared, factor[-size:], 1.0, std),
            reward_mean=reward_mean,
            reward_scale=reward_scale,
            prior_hash=prior.content_hash,
        )
        for (w, b, factor, std, reward_mean, reward_scale), size in zip(rows, sizes, strict=True)
    ]


def _padded(given: Sequence[Given]) -> tuple[Tensor, Tensor, Tensor]:
    """Features of the item of each answer (B, A, F), rewards (B, A), and which of them there are (B, A)."""
    counts = torch.tensor([len(observations) for observations, _ in given])
    present = torch.arange(int(counts.max())) < counts[:, None]
    items = torch.cat([features for _, features in given]).double()
    values = torch.cat([observations.values for observations, _ in given])
    features, rewards = items.new_zeros(*present.shape, items.shape[1]), values.new_zeros(present.shape)
    features[present] = items[_items_of_answers(given)]
    rewards[present] = values
    return features, rewards, present


def _items_of_answers(given: Sequence[Given]) -> Tensor:
    """Rows of all users' items put after each other, one for each of their answers."""
    rows, start = [], 0
    for observations, features in given:
        rows += [start + row for (row,) in observations.rows]
        start += len(features)
    return torch.tensor(rows)


def _heads(known: Tensor, transport: Transport) -> tuple[Tensor, Tensor]:
    """Weights (B, L, F) and intercepts (B, L) on the raw features, of heads (B, F + 1) at the data end."""
    clean = transport.clean
    w, intercept = known[:, :-1] / math.sqrt(len(clean.scale)), known[:, -1]
    at_end = w / clean.scale
    weights = [torch.zeros_like(w), *(w @ transport.maps.mT), at_end]
    intercepts = [
        torch.zeros_like(intercept),
        *(w @ transport.offsets.T + intercept[:, None]).unbind(dim=1),
        intercept - at_end @ clean.mean,
    ]
    return torch.stack(weights, dim=1).float(), torch.stack(intercepts, dim=1).float()
