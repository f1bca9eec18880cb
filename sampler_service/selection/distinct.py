"""Distinct particles: resampling copies, and copies that parted only in the last steps look the same."""

from __future__ import annotations

import torch
from torch import Tensor

DEFAULT_TOLERANCE = 0.05
"""Root mean square difference per dimension, for data of unit scale."""


def distinct(x: Tensor, tolerance: float = DEFAULT_TOLERANCE) -> Tensor:
    """(M,), ascending rows of x (N, *data_shape), none within tolerance of an earlier one of them.

    Args:
        tolerance: root mean square difference per dimension; 0 drops exact copies only.
    """
    flat = x.flatten(1)
    if len(x) == 0 or _surely_apart(flat, tolerance):
        return torch.arange(len(x), device=x.device)
    near = _near(flat.double(), tolerance, slack=1e-12)
    kept = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for row in range(len(x)):
        kept[row] = not bool((near[row] & kept).any())
    return kept.nonzero().flatten()


def _surely_apart(x: Tensor, tolerance: float) -> bool:
    """Whether a product in the dtype of x: (N, D) shows already that no two rows are near."""
    # A sum of D products is off by at most D roundings of their sizes' sum.
    near = _near(x, tolerance, slack=4.0 * x.shape[1] * torch.finfo(x.dtype).eps)
    return int(near.sum()) == len(x)


def _near(x: Tensor, tolerance: float, slack: float) -> Tensor:
    """(N, N), true where two rows of x: (N, D) are within tolerance; squared distances by one product.

    Args:
        slack: as a share of the largest row's square.
    """
    gram = x @ x.T
    squared = gram.diagonal()[:, None] + gram.diagonal()[None, :] - 2.0 * gram
    return squared <= tolerance**2 * x.shape[1] + slack * (1.0 + gram.diagonal().max())
