"""What families without features of the prior read: the denoised estimate, as a short standardised vector."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

THUMBNAIL = 16
"""Images are averaged down to at most so many pixels a side: finer detail only blurs distances of items."""


def flat(x_0: Tensor) -> Tensor:
    """(N, P): vectors as they are, images (N, C, H, W) as thumbnails."""
    if x_0.dim() == 4:
        factor = math.ceil(max(x_0.shape[2:]) / THUMBNAIL)
        x_0 = avg_pool2d(x_0, factor, ceil_mode=True) if factor > 1 else x_0
    return x_0.flatten(1)


def flat_dim(data_shape: tuple[int, ...]) -> int:
    """P."""
    return flat(torch.empty(1, *data_shape, device="meta")).shape[1]


class Reading(nn.Module):
    """u(x_0) = (flat(x_0) - centre) / scale, of about unit length: one scale, so that distances stay theirs.

    Attributes:
        centre: (P,). scale: ().
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, centre: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)

    def forward(self, x_0: Tensor) -> Tensor:
        """(N, P), of items x_0: (N, *data_shape)."""
        return (flat(x_0) - self.centre.to(x_0)) / self.scale.to(x_0)

    @classmethod
    def like(cls, data_shape: tuple[int, ...]) -> Reading:
        """One for items of this shape, whose values are still to be loaded."""
        return cls(torch.zeros(flat_dim(data_shape)), torch.ones(()))

    def read(self, x_0: Tensor) -> Tensor:
        """`forward`, typed."""
        return cast(Tensor, self(x_0))
