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
    flat = x.flatten(1).double()
    # Squared distances by one product: in float64 its rounding stays far below any tolerance in use.
    gram = flat @ flat.T
    squared = gram.diagonal()[:, None] + gram.diagonal()[None, :] - 2.0 * gram
    rounding = 1e-12 * (1.0 + gram.diagonal().max())
    near = squared <= tolerance**2 * flat.shape[1] + rounding
    if int(near.sum()) == len(x):
        # Each is near itself alone.
        return torch.arange(len(x), device=x.device)
    kept = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for row in range(len(x)):
        kept[row] = not bool((near[row] & kept).any())
    return kept.nonzero().flatten()
