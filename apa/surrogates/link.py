"""From a latent reward to the user's units, where they are not the same but for offset and scale."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Link = Literal["identity", "logistic"]
"""Logistic: the user's units are the probability of a like, 1 / (1 + exp(-latent))."""

_WIDTH, _LEAST, _MOST = 6.0, 25, 97
"""Of the quadrature, in standard deviations, and its points: two to eight in each."""


class Moments(NamedTuple):
    """mean and std, both (M,), float64."""

    mean: Tensor
    std: Tensor


def logistic_moments(mean: Tensor, std: Tensor) -> Moments:
    """Mean and standard deviation of the probability whose logit is N(mean, std^2), by the trapezoidal rule.

    Args:
        mean, std: (M,), float64.
    """
    at = torch.linspace(-_WIDTH, _WIDTH, _points(std), dtype=torch.float64, device=mean.device)
    share = torch.softmax(-0.5 * at * at, dim=0)
    probability = torch.sigmoid(mean[:, None] + std[:, None] * at)
    expected = probability @ share
    return Moments(expected, ((probability - expected[:, None]).square() @ share).sqrt())


def _points(std: Tensor) -> int:
    """Enough for the widest: the sigmoid's poles are pi / std from the real line, so that a spacing h errs by
    about exp(-2 pi^2 / (h std)) (Trefethen and Weideman 2014).
    """
    widest = float(std.max()) if len(std) else 0.0
    return min(_MOST, max(_LEAST, 1 + 2 * math.ceil(_WIDTH * 1.5 * widest)))
