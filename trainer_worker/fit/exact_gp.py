"""Gaussian processes of many users fitted to rewards as one batch: the same mathematics as `fit_gp`, stacked.

Under a Gaussian likelihood the evidence of every bandwidth, strength and noise has a closed form in the
kernel of the items: no eigenfunctions are needed, and of the bandwidths only the chosen one is solved.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from apa.surrogates.coordinates import Coordinates, FeatureCoordinates
from apa.surrogates.gp import GpSurrogate, rbf
from trainer_worker.fit import gp
from trainer_worker.fit.gp import (
    BANDWIDTHS,
    log_prior_of_bandwidths,
    typical_distance,
)
from trainer_worker.fit.ridge import RATIOS
from trainer_worker.fit.stacks import in_stacks, stacked_rewards
from trainer_worker.fit.transport import Transport
from trainer_worker.fit.tridiagonal import Answers, log_posterior, posterior
from trainer_worker.observations import Observations

Given = tuple[Observations, Tensor]
"""Rewards of M items, and where these lie: (M, D), float64."""


def is_exact(observations: Observations) -> bool:
    """Whether the answers have a closed form, and are about no more items than a process is spanned by."""
    return observations.kind == "scalar" and len(observations.x) <= gp.MAX_CENTRES


def fit_exact_gps(
    coordinates: Coordinates, given: Sequence[Given], transport: Transport | None
) -> list[GpSurrogate]:
    """A surrogate for each user, in order; those for which `is_exact`.

    Args:
        coordinates: in which the items lie. transport: of the prior, where that has one.
    """
    known = transport if isinstance(coordinates, FeatureCoordinates) else None
    return in_stacks(
        given,
        [len(z) for _, z in given],
        lambda items: len(BANDWIDTHS) * items**2,
        lambda part: _fit(coordinates, part, known),
    )


def _fit(coordinates: Coordinates, given: Sequence[Given], transport: Transport | None) -> list[GpSurrogate]:
    z = torch.nn.utils.rnn.pad_sequence([one for _, one in given], batch_first=True)
    bandwidths = _bandwidths([typical_distance(one, transport) for _, one in given])
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
