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
from trainer_worker.fit.ridge import RATIOS, RidgePosterior, spectrum
from trainer_worker.fit.stacks import in_stacks, stacked_rewards
from trainer_worker.fit.transport import Transport
from trainer_worker.fit.tridiagonal import Answers, log_posterior, posterior
from trainer_worker.observations import Observations

Given = tuple[Observations, Tensor]
"""Rewards of M items, and the items' clean features (M, F)."""


def fit_stacked(prior: Prior, given: Sequence[Given], transport: Transport) -> list[LinearSurrogate]:
    """A surrogate for each user, in order; scalar answers only."""
    width = len(transport.clean.scale)
    return in_stacks(
        given,
        [len(observations) for observations, _ in given],
        lambda answers: answers * width,
        lambda part: _fit(prior, part, transport),
    )


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


def _design(given: Sequence[Given], items: Tensor, present: Tensor, transport: Transport) -> Tensor:
    """(B, A, F + 1), a row for each answer, of zeros where there is none."""
    firsts = torch.tensor([0] + [len(features) for _, features in given[:-1]]).cumsum(0)
    features = torch.cat([features for _, features in given])[items + firsts[:, None]]
    scale, width = transport.clean, features.shape[-1]
    # Written into its place: most of what a linear fit of many answers costs is to move these numbers.
    design = torch.empty(*items.shape, width + 1, dtype=torch.float64)
    design[..., :-1] = features
    design[..., :-1].sub_(scale.mean).div_(scale.scale * math.sqrt(width))
    design[..., -1] = 1.0
    return design if bool(present.all()) else design.mul_(present[..., None])


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
    ratio = RATIOS[log_posterior(gram[:, None].clone(), answers)[:, 0].argmax(dim=-1)]
    return posterior(design, gram, answers, ratio)


def _heads(known: Tensor, transport: Transport) -> tuple[Tensor, Tensor]:
    """Weights (B, L, F) and intercepts (B, L) on the raw features, of heads (B, F + 1) at the data end."""
    clean = transport.clean
    w, intercept = known[:, :-1] / math.sqrt(len(clean.scale)), known[:, -1]
    at_end = w / clean.scale
    weights = [
        torch.zeros_like(w, dtype=torch.float32),
        *(w.float() @ transport.steering_maps),
        at_end.float(),
    ]
    intercepts = [
        torch.zeros_like(intercept),
        *(w @ transport.offsets.T + intercept[:, None]).unbind(dim=1),
        intercept - at_end @ clean.mean,
    ]
    return torch.stack(weights, dim=1), torch.stack(intercepts, dim=1).float()
