"""The inverse of the weights' cumulative distribution, which every scheme reads at its own points."""

from __future__ import annotations

import torch
from torch import Tensor

LAST_BELOW_ONE = 1.0 - 2.0**-53


def inverse_cdf(weights: Tensor, points: Tensor) -> Tensor:
    """Ancestors (N,) at the given points (N,) of [0, 1]; weights: (N,), non-negative.

    Never returns a particle of weight zero.
    """
    cumulative = weights.double().cumsum(0)
    # The last entry is then exactly 1 and above every point, whatever the sum rounded to.
    cumulative = cumulative / cumulative[-1]
    return torch.searchsorted(cumulative, points.clamp(max=LAST_BELOW_ONE), right=True)


def uniform(shape: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """(shape,), float64 in [0, 1), drawn where the generator lives and moved to where `like` is."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64).to(
        like.device
    )
