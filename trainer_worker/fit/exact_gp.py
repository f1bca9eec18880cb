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
from trainer_worker.fit.gp import BANDWIDTHS, log_prior_of_bandwidths, typical_distance
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
    widths = torch.tensor([typical_distance(one, transport) for _, one in given], dtype=torch.float64)
    answers, times, mean, scale = _per_item(given, z.shape[1])
    root = times.sqrt()
    evidence = log_posterior(_grams(z, widths, root), answers) + log_prior_of_bandwidths()[:, None]
    best = evidence.flatten(1).argmax(dim=1)
    bandwidths = (torch.tensor(BANDWIDTHS, dtype=torch.float64)[best // len(RATIOS)] * widths).sqrt()
    design = torch.cat([torch.diag_embed(root), root[..., None]], dim=-1)
    gram = (rbf(z, z, bandwidths[:, None, None]) + 1.0) * root[:, :, None] * root[:, None, :]
    learnt = posterior(design, gram, answers, RATIOS[best % len(RATIOS)])
    each = zip(
        given,
        z.float(),
        learnt.weights.float(),
        learnt.weights[:, -1].tolist(),
        bandwidths.tolist(),
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


def _grams(z: Tensor, widths: Tensor, root: Tensor) -> Tensor:
    """(B, 6, N, N), the covariances of answers at every bandwidth.

    A kernel is a power of the one that is wider: its square, as the bandwidths are chosen.

    Args:
        z: (B, N, D). widths: (B), typical squared distances. root: (B, N), of how often an item was answered.
    """
    grams = z.new_empty(len(z), len(BANDWIDTHS), z.shape[1], z.shape[1])
    kernel = rbf(z, z, (BANDWIDTHS[-1] * widths).sqrt()[:, None, None])
    grams[:, -1] = kernel
    for place in range(len(BANDWIDTHS) - 1, 0, -1):
        kernel = kernel ** (BANDWIDTHS[place] / BANDWIDTHS[place - 1])
        grams[:, place - 1] = kernel
    grams.add_(1.0)
    if bool((root == 1.0).all()):
        return grams
    return grams.mul_((root[:, :, None] * root[:, None, :])[:, None])


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
