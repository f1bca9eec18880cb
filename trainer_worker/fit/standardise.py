"""Rewards and features in units of their own spread, also when there is hardly any data to tell it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_CONSTANT = 1e-6
"""A spread below this share of the largest reward is rounding, not preference."""
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
    largest = float(rewards.abs().max())
    if largest == 0.0:
        return Rewards(rewards, 0.0, 1.0)
    # Relative to the largest first: the square of a huge reward would overflow.
    relative = rewards / largest
    mean, std = float(relative.mean()), float(relative.std(correction=0))
    if std <= _CONSTANT:
        return Rewards(torch.zeros_like(rewards), mean * largest, 1.0)
    return Rewards((relative - mean) / std, mean * largest, std * largest)


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
