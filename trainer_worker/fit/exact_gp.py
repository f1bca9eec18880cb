"""Gaussian processes of many users fitted to rewards as one batch: the same mathematics as `fit_gp`, stacked.

Under a Gaussian likelihood the evidence of every bandwidth, strength and noise has a closed form in the
kernel of the items: no eigenfunctions are needed, and of the bandwidths only the chosen one is solved.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.coordinates import FeatureCoordinates
from apa.surrogates.gp import GpSurrogate, rbf
from trainer_worker.fit import gp
from trainer_worker.fit.gp import (
    BANDWIDTHS,
    coordinates_of,
    log_prior_of_bandwidths,
    typical_distance,
)
from trainer_worker.fit.ridge import RATIOS
from trainer_worker.fit.stacked import of_a_size, stacked_rewards
from trainer_worker.fit.transport import Transport
from trainer_worker.fit.tridiagonal import Answers, log_posterior, posterior
from trainer_worker.observations import Observations

_KERNELS_AT_ONCE = 2**20
"""Numbers of all kernels in one stack: 8 MiB, so that they are found in the processor's cache."""

Given = tuple[Observations, Tensor]
"""Rewards of M items, and where these lie: (M, D), float64."""


def is_exact(observations: Observations) -> bool:
    """Whether the answers have a closed form, and are about no more items than a process is spanned by."""
    return observations.kind == "scalar" and len(observations.x) <= gp.MAX_CENTRES


def fit_exact_gps(prior: Prior, given: Sequence[Given], transport: Transport | None) -> list[GpSurrogate]:
    """A surrogate for each user, in order; those for which `is_exact`."""
    found: dict[int, GpSurrogate] = {}
    for places in of_a_size([len(z) for _, z in given]):
        most = max(len(given[place][1]) for place in places)
        at_once = max(1, _KERNELS_AT_ONCE // (len(BANDWIDTHS) * most**2))
        for start in range(0, len(places), at_once):
            part = places[start : start + at_once]
            found |= dict(zip(part, _fit(prior, [given[place] for place in part], transport), strict=True))
    return [found[place] for place in range(len(given))]


def _fit(prior: Prior, given: Sequence[Given], transport: Transport | None) -> list[GpSurrogate]:
    coordinates = coordinates_of(prior, transport)
    known = transport if isinstance(coordinates, FeatureCoordinates) else None
    z = torch.nn.utils.rnn.pad_sequence([one for _, one in given], batch_first=True)
    bandwidths = _bandwidths([typical_distance(one, known) for _, one in given])
    answers, times, mean, scale = _per_item(given, z.shape[1])
    root = times.sqrt()
    grams = rbf(z[:, None], z[:, None], bandwidths[..., None, None])
    grams.add_(1.0).mul_((root[:, :, None] * root[:, None, :])[:, None])
    evidence = log_posterior(grams, answers) + log_prior_of_bandwidths()[:, None]
    best = evidence.flatten(1).argmax(dim=1)
    which, ratios = best // len(RATIOS), RATIOS[best % len(RATIOS)]
    rows = torch.arange(len(given))
    design = torch.cat([torch.diag_embed(root), root[..., None]], dim=-1)
    learnt = posterior(design, grams[rows, which], answers, ratios)
    each = zip(
        given,
        z.float(),
        learnt.weights.float(),
        learnt.weights[:, -1].tolist(),
        bandwidths[rows, which].tolist(),
        learnt.factor.float(),
        learnt.variance.sqrt().tolist(),
        mean.tolist(),
        scale.tolist(),
        strict=True,
    )
    return [
        GpSurrogate(
            coordinates=coordinates,
            items=items[:size],
            alpha=weights[:size],
            intercept=intercept,
            bandwidth=bandwidth,
            # The intercept's column is the last of all.
            factor=torch.cat([factor[:size, :size], factor[:size, -1:]], dim=1),
            intercept_scale=1.0,
            weight_std=std,
            reward_mean=reward_mean,
            reward_scale=reward_scale,
        )
        for (_, z_one), items, weights, intercept, bandwidth, factor, std, reward_mean, reward_scale in each
        for size in [len(z_one)]
    ]


def _bandwidths(spreads: Sequence[float]) -> Tensor:
    """(B, 6), of the kernel in units of the coordinates."""
    shares = torch.tensor(BANDWIDTHS, dtype=torch.float64)
    return (torch.tensor(spreads, dtype=torch.float64)[:, None] * shares).sqrt()


def _per_item(given: Sequence[Given], size: int) -> tuple[Answers, Tensor, Tensor, Tensor]:
    """Answers by item, how often each item was answered (B, size), and means and scales (B) of rewards.

    R answers to one item say what R^(1/2) times their mean says, in R^(1/2) times the item's row.
    """
    y, items, present, mean, scale = stacked_rewards([observations for observations, _ in given])
    sums, times = y.new_zeros(len(given), size), y.new_zeros(len(given), size)
    sums.scatter_add_(1, items, y)
    times.scatter_add_(1, items, present.double())
    by_item = sums / times.clamp(min=1.0).sqrt()
    left_over = (y.square().sum(dim=1) - by_item.square().sum(dim=1)).clamp(min=0.0)
    answers = Answers(by_item, left_over, present.sum(dim=1).double(), [len(z) for _, z in given])
    return answers, times, mean, scale
