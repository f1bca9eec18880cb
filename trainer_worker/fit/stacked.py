"""Linear heads of many users fitted to rewards as one batch: the same mathematics as `fit_linear`, stacked.

Sessions with about as many answers share a stack, filled up with rows of zeros, which say nothing. It takes a
few dozen calls of torch however many users are in it, and calls are most of what one small fit costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.linear import LinearSurrogate
from apa.surrogates.posterior import Posterior
from trainer_worker.fit import ridge
from trainer_worker.fit.encode import LEVELS
from trainer_worker.fit.linear import standardised
from trainer_worker.fit.ridge import RATIOS, RidgePosterior, spectrum
from trainer_worker.fit.standardise import standardise_stacked
from trainer_worker.fit.transport import Transport
from trainer_worker.fit.tridiagonal import Answers, log_posterior, posterior
from trainer_worker.observations import Observations

SIZES = (8, 16, 24, 32, 48, 64, 80, 128, 192, 256)
"""Answers that a stack is filled up to; beyond the last, to the next multiple of it."""

Given = tuple[Observations, Tensor]
"""Rewards of M items, and the items' clean features (M, F)."""


def fit_stacked(prior: Prior, given: Sequence[Given], transport: Transport) -> list[LinearSurrogate]:
    """A surrogate for each user, in order; scalar answers only."""
    found: dict[int, LinearSurrogate] = {}
    for places in of_a_size([len(observations) for observations, _ in given]):
        stack = _fit(prior, [given[place] for place in places], transport)
        found |= dict(zip(places, stack, strict=True))
    return [found[place] for place in range(len(given))]


def of_a_size(counts: Sequence[int]) -> list[list[int]]:
    """Places in `counts`, those together whose counts are filled up to the same size."""
    by_size: dict[int, list[int]] = {}
    for place, count in enumerate(counts):
        size = next((size for size in SIZES if size >= count), -(-count // SIZES[-1]) * SIZES[-1])
        by_size.setdefault(size, []).append(place)
    return list(by_size.values())


def _fit(prior: Prior, given: Sequence[Given], transport: Transport) -> list[LinearSurrogate]:
    y, items, present, mean, scale = stacked_rewards([observations for observations, _ in given])
    known = _posterior(_design(given, items, present, transport), y, present)
    weights, intercepts = _heads(known.weights, transport)
    factors, stds = known.factor.float(), known.variance.sqrt().tolist()
    width = transport.clean.scale * math.sqrt(prior.feature_dim)
    shared = transport.clean.mean.float(), width.float()
    levels = torch.tensor(LEVELS)
    rows = zip(
        weights.unbind(), intercepts.unbind(), factors, stds, mean.tolist(), scale.tolist(), strict=True
    )
    sizes = [min(len(observations), factors.shape[1]) for observations, _ in given]
    return [
        LinearSurrogate(
            schedule=prior.schedule,
            levels=levels,
            weights=w,
            intercepts=b,
            posterior=Posterior(*shared, factor[:size], 1.0, std),
            reward_mean=reward_mean,
            reward_scale=reward_scale,
            prior_hash=prior.content_hash,
        )
        for (w, b, factor, std, reward_mean, reward_scale), size in zip(rows, sizes, strict=True)
    ]


def stacked_rewards(given: Sequence[Observations]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Of B users' scalar answers: y, items, present, all (B, A), then means and scales (B).

    Standardised rewards and the row of the item that each is about, 0 where there is no answer, and where
    there is one.
    """
    counts = torch.tensor([len(observations) for observations in given])
    present = torch.arange(int(counts.max())) < counts[:, None]
    rewards, items = (
        torch.zeros(present.shape, dtype=torch.float64),
        torch.zeros(present.shape, dtype=torch.long),
    )
    rewards[present] = torch.cat([observations.values for observations in given])
    items[present] = torch.tensor([row for observations in given for (row,) in observations.rows])
    y, mean, scale = standardise_stacked(rewards, present)
    return y, items, present, mean, scale


def _design(given: Sequence[Given], items: Tensor, present: Tensor, transport: Transport) -> Tensor:
    """(B, A, F + 1), a row for each answer, of zeros where there is none."""
    firsts = torch.tensor([0] + [len(features) for _, features in given[:-1]]).cumsum(0)
    features = torch.cat([features for _, features in given]).double()
    of_items = standardised(features, transport.clean)
    of_items = torch.cat([of_items, torch.ones_like(of_items[:, :1])], dim=1)
    return of_items[items + firsts[:, None]] * present[..., None]


def _posterior(design: Tensor, y: Tensor, present: Tensor) -> RidgePosterior:
    """At the ratio of highest posterior probability; rows of the factor that say nothing come last."""
    count = present.sum(dim=-1)
    if design.shape[1] > design.shape[2]:
        problem = spectrum(design, y, count.double())
        known = ridge.posterior(problem, RATIOS[ridge.log_posterior(problem).argmax(dim=-1)])
        # Eigenvalues ascend.
        return replace(known, factor=known.factor.flip(1))
    answers = Answers(y, torch.zeros_like(y[:, 0]), count.double(), count.tolist())
    gram = design @ design.mT
    ratio = RATIOS[log_posterior(gram[:, None], answers)[:, 0].argmax(dim=-1)]
    return posterior(design, gram, answers, ratio)


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
