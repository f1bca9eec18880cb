"""Where a log-SNR lies among the noise levels of a surrogate, so that heads blend instead of jump."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Place(NamedTuple):
    """A point between two levels: (1 - fraction) of `lower` and `fraction` of `upper`.

    Attributes:
        lower, upper: (N,), indices of levels.
        fraction: (N,), in [0, 1], differentiable in the log-SNR.
    """

    lower: Tensor
    upper: Tensor
    fraction: Tensor


def place(levels: Tensor, log_snr: Tensor) -> Place:
    """Piecewise linear in log-SNR and constant beyond the ends.

    Args:
        levels: (L,), log-SNR, strictly ascending.
        log_snr: (N,).
    """
    levels = levels.to(log_snr)
    inside = log_snr.clamp(levels[0], levels[-1])
    upper = torch.searchsorted(levels, inside.detach()).clamp(min(1, len(levels) - 1), len(levels) - 1)
    lower = (upper - 1).clamp(min=0)
    width = (levels[upper] - levels[lower]).clamp(min=torch.finfo(levels.dtype).tiny)
    return Place(lower, upper, (inside - levels[lower]) / width)
