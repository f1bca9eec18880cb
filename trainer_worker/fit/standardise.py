"""Rewards and features in units of their own spread, also when there is hardly any data to tell it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_CONSTANT = 1e-12
"""Rewards that differ by less than this share of the largest differ by float64's rounding, not in taste."""
_PSEUDO_COUNT = 8.0
"""How many observations the shared scale counts for beside a feature's own."""


class Rewards(NamedTuple):
    """y = (reward - mean) / scale, (M,)."""

    y: Tensor
    mean: float
    scale: float


def standardise_rewards(rewards: Tensor) -> Rewards:
    """Zero mean and unit variance; one reward, or all equal ones, keep the user's own scale.

    Args:
        rewards: (M,), M >= 1, finite, float64.
    """
    rewards = rewards.double()
    largest = float(rewards.abs().max())
    if largest == 0.0:
        return Rewards(rewards, 0.0, 1.0)
    # Relative to the largest: the sum of huge rewards would overflow.
    mean = float((rewards / largest).mean()) * largest
    centred = rewards - mean
    widest = float(centred.abs().max())
    if widest <= _CONSTANT * largest:
        return Rewards(torch.zeros_like(rewards), mean, 1.0)
    # Relative to the widest, as their squares would overflow too.
    std = float((centred / widest).std(correction=0))
    return Rewards(centred / widest / std, mean, std * widest)


def standardise_stacked(rewards: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same for B users: y (B, A), 0 where there is no answer, means (B) and scales (B).

    Args:
        rewards: (B, A), finite, float64, 0 where there is no answer.
        present: (B, A), at least one in each row.
    """
    count = present.sum(dim=1)
    largest = rewards.abs().amax(dim=1)
    unit = largest.where(largest > 0, 1.0)
    mean = (rewards / unit[:, None]).sum(dim=1) / count * unit
    centred = (rewards - mean[:, None]).where(present, 0.0)
    widest = centred.abs().amax(dim=1)
    differ = widest > _CONSTANT * largest
    relative = centred / widest.where(differ, 1.0)[:, None]
    std = (relative.square().sum(dim=1) / count).sqrt().where(differ, 1.0)
    y = (relative / std[:, None]).where(differ[:, None], 0.0)
    return y, mean, (std * widest).where(differ, 1.0)


class FeatureScale(NamedTuple):
    """mean and scale, both (F,)."""

    mean: Tensor
    scale: Tensor


def feature_scale(features: Tensor) -> FeatureScale:
    """Each feature's mean and spread, the spread shrunk to one that all features share.

    Eight observations say little about one feature's spread; where they vary not at all, dividing by their
    own spread would turn the next item's rounding into evidence.

    Args:
        features: (M, F).
    """
    mean = features.mean(dim=0)
    squares = (features - mean).square().sum(dim=0)
    shared = squares.mean() / len(features)
    if not shared > 0:
        shared = features.square().mean()
    if not shared > 0:
        shared = torch.ones_like(shared)
    variance = (squares + _PSEUDO_COUNT * shared) / (len(features) + _PSEUDO_COUNT)
    return FeatureScale(mean, variance.sqrt())
