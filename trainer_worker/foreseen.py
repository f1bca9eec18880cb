"""How far a surrogate's predictions were from answers that it had not seen, and how far could be expected.

Everything is in standard deviations of what is answered: of the rewards for scalar answers, of a like for
binary ones, of a fair comparison for those that order. Items that look alike err alike, so that the errors
have a covariance: the posterior's own, and the noise of each answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.base import Joint, Surrogate
from apa.surrogates.link import logistic_moments
from trainer_worker.observations import Observations

COVERED = 0.9
"""What the intervals promise."""
_HALF_WIDTH = 1.6448536269514722
"""Of a 90% interval, in standard deviations."""


@dataclass(frozen=True, eq=False)
class Foreseen:
    """Of n answers.

    Attributes:
        error: (n,), predicted less true.
        covariance: (n, n), of the errors if the surrogate is right about what it does not know.
        covered: (n,), share of the answer inside the surrogate's 90% predictive set: 0 or 1 but for rankings.
    """

    error: Tensor
    covariance: Tensor
    covered: Tensor

    def __len__(self) -> int:
        return len(self.error)


def joint_of(surrogate: Surrogate, prior: Prior, x: Tensor, features: Tensor | None) -> Joint:
    """`joint` of items x: (M, *data_shape), through their features (M, F) at the data end where known.

    Encoding every item once more would cost more than the refit.
    """
    known = None if features is None else surrogate.joint_features(features)
    return surrogate.joint(prior, x) if known is None else known


def foreseen(surrogate: Surrogate, joint: Joint, observations: Observations, unseen: Tensor) -> Foreseen:
    """How the surrogate had foreseen the answers that it had not seen.

    Args:
        joint: its `joint` of the observed items.
        unseen: (A,), bool.
    """
    if observations.kind == "scalar":
        return _rewards(surrogate, joint, observations, unseen)
    if observations.kind == "binary":
        return _likes(surrogate, joint, observations, unseen)
    return _orders(surrogate, joint, observations, unseen)


def _rewards(surrogate: Surrogate, joint: Joint, observations: Observations, unseen: Tensor) -> Foreseen:
    rows = observations.item_of_value
    # Those that were learnt from may hardly have differed, and these may.
    unit = max(surrogate.reward_scale, float(observations.values.std(correction=0)))
    scale = surrogate.reward_scale / unit
    y = (observations.values - surrogate.reward_mean) / unit
    error, doubt = scale * joint.mean[rows] - y, scale**2 * joint.covariance
    # The noise of an answer, as an EM step would estimate it from the answers that were learnt from, and from
    # one more of noise one: eight residuals say little.
    squares = (error.square() + doubt.diagonal()[rows])[~unseen]
    noise = float(squares.sum() + 1.0) / (len(squares) + 1)
    new = rows[unseen]
    covariance = doubt[new][:, new] + noise * torch.eye(len(new), dtype=torch.float64)
    inside = error[unseen].abs() <= _HALF_WIDTH * covariance.diagonal().sqrt()
    return Foreseen(error[unseen], covariance, inside.double())


def _likes(surrogate: Surrogate, joint: Joint, observations: Observations, unseen: Tensor) -> Foreseen:
    rows, liked = observations.item_of_value[unseen], observations.values[unseen]
    logit = surrogate.reward_mean + surrogate.reward_scale * joint.mean[rows]
    covariance = surrogate.reward_scale**2 * joint.covariance[rows][:, rows]
    seen = observations.values[~unseen]
    # With one like and one dislike more: the spread of equal answers is not nothing.
    rate = float(seen.sum() + 1.0) / (len(seen) + 2.0)
    share = torch.eye(len(rows), dtype=torch.float64)
    return _chosen(logit, covariance, liked, share, math.sqrt(rate * (1.0 - rate)))


def _orders(surrogate: Surrogate, joint: Joint, observations: Observations, unseen: Tensor) -> Foreseen:
    """Every pair of an answer is a comparison: in Plackett's and Luce's orders each is Bradley's and Terry's.

    The one that was expected to win comes first, so that an error above 0 is confidence that was not borne
    out.
    """
    answers = [rows for rows, new in zip(observations.rows, unseen.tolist(), strict=True) if new]
    pairs = [
        (answer, better, worse)
        for answer, rows in enumerate(answers)
        for place, better in enumerate(rows)
        for worse in rows[place + 1 :]
    ]
    answer, won, lost = torch.tensor(pairs, dtype=torch.long).reshape(-1, 3).unbind(1)
    difference = joint.mean[won] - joint.mean[lost]
    sign = torch.where(difference < 0, -1.0, 1.0).double()
    contrast = joint.mean.new_zeros(len(pairs), len(joint.mean))
    contrast[torch.arange(len(pairs)), won] += sign
    contrast[torch.arange(len(pairs)), lost] -= sign
    scale = surrogate.reward_scale
    covariance = scale**2 * contrast @ joint.covariance @ contrast.T
    share = torch.zeros(len(answers), len(pairs), dtype=torch.float64)
    share[answer, torch.arange(len(pairs))] = 1.0
    share = share / share.sum(dim=1, keepdim=True)
    return _chosen(scale * difference.abs(), covariance, (sign > 0).double(), share, 0.5)


def _chosen(logit: Tensor, covariance: Tensor, outcome: Tensor, share: Tensor, std: float) -> Foreseen:
    """Of C outcomes, each 0 or 1, averaged into n answers.

    Args:
        logit: (C,), its posterior mean. covariance: (C, C).
        share: (n, C), of each outcome in each answer.
        std: of what is answered.
    """
    latent_std = covariance.diagonal().clamp(min=0.0).sqrt()
    probability, doubt = logistic_moments(logit, latent_std)
    correlation = covariance / torch.outer(latent_std, latent_std).clamp(min=1e-300)
    common = correlation * torch.outer(doubt, doubt)
    chance = probability * (1.0 - probability) - doubt.square()
    # The outcomes of one ranking hang together in ways of their own: as if they were one.
    errors = share @ common @ share.T + torch.diag(share @ chance)
    # The smallest set of outcomes with 90% leaves out only what was given 10% or less.
    given = torch.where(outcome > 0.5, probability, 1.0 - probability)
    covered = (given > 1.0 - COVERED).double()
    return Foreseen(share @ (probability - outcome) / std, errors / std**2, share @ covered)
