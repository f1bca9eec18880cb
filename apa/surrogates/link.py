"""From a latent reward to the user's units, where they are not the same but for offset and scale."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Link = Literal["identity", "logistic"]
"""Logistic: the user's units are the probability of a like, 1 / (1 + exp(-latent))."""

_WIDTH, _POINTS = 6.0, 97
"""Of the quadrature, in standard deviations: eight points in each."""


class Moments(NamedTuple):
    """mean and std, both (M,), float64."""

    mean: Tensor
    std: Tensor


def logistic_moments(mean: Tensor, std: Tensor) -> Moments:
    """Mean and standard deviation of the probability whose logit is N(mean, std^2), by the trapezoidal rule.

    Args:
        mean, std: (M,), float64.
    """
    at = torch.linspace(-_WIDTH, _WIDTH, _POINTS, dtype=torch.float64, device=mean.device)
    share = torch.softmax(-0.5 * at * at, dim=0)
    probability = torch.sigmoid(mean[:, None] + std[:, None] * at)
    expected = probability @ share
    return Moments(expected, ((probability - expected[:, None]).square() @ share).sqrt())
