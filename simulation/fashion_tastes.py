"""Hidden tastes over Fashion-MNIST items, as functions of a classifier's probabilities and of the pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from simulation.fashion_classifier import CLASS_NAMES

FOREGROUND = -0.8
"""Pixels above this belong to the item; the background is -1."""


@dataclass(frozen=True)
class Taste:
    """What one shopper likes.

    Attributes:
        name: as the reports show it.
        reward: (class probabilities (M, 10), images (M, 1, 28, 28) in [-1, 1]) -> (M,) in [0, 1].
    """

    name: str
    reward: Callable[[Tensor, Tensor], Tensor]


def classes(*names: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Likes an item as much as it is likely to be one of these classes."""
    columns = [CLASS_NAMES.index(name) for name in names]

    def reward(probabilities: Tensor, _images: Tensor) -> Tensor:
        return probabilities[:, columns].sum(1)

    return reward


def dark(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Likes one class, and of it the dark items."""

    def reward(probabilities: Tensor, images: Tensor) -> Tensor:
        return probabilities[:, CLASS_NAMES.index(name)] * darkness(images)

    return reward


def darkness(images: Tensor) -> Tensor:
    """(M,), near 1 when the item's own pixels are mostly below middle grey, near 0 when above."""
    foreground = images > FOREGROUND
    total = torch.where(foreground, images, torch.zeros_like(images)).flatten(1).sum(1)
    brightness = total / foreground.flatten(1).sum(1).clamp(min=1)
    return torch.sigmoid(-brightness / 0.1)


SHOPPERS = (
    Taste("ankle boots", classes("ankle boot")),
    Taste("dark T-shirts", dark("T-shirt")),
    Taste("bags and sandals", classes("bag", "sandal")),
    Taste("dresses", classes("dress")),
)
"""The four of the demo; the third has two modes."""
