"""Distinct particles: resampling copies, and copies that parted only in the last steps look the same."""

from __future__ import annotations

import torch
from torch import Tensor

DEFAULT_TOLERANCE = 0.05
"""Root mean square difference per dimension, for data of unit scale."""
_ENOUGH = 196
"""Dimensions that nearly always show that two rows are apart."""


def distinct(x: Tensor, tolerance: float = DEFAULT_TOLERANCE) -> Tensor:
    """(M,), ascending rows of x (N, *data_shape), none within tolerance of an earlier one of them.

    Args:
        tolerance: root mean square difference per dimension; 0 drops exact copies only.
    """
    flat = x.flatten(1)
    kept = torch.ones(len(x), dtype=torch.bool, device=x.device)
    if len(x) == 0:
        return kept.nonzero().flatten()
    within = tolerance**2 * flat.shape[1]
    unsure = _not_surely_apart(flat, within)
    kept[unsure] = False
    near = _near(flat[unsure].double(), within, slack=1e-12)
    for place, row in enumerate(unsure.tolist()):
        kept[row] = not bool((near[place] & kept[unsure]).any())
    return kept.nonzero().flatten()


def _not_surely_apart(x: Tensor, within: float) -> Tensor:
    """(K,), ascending: all rows of x (N, D) but those that are seen to be near no other.

    Seen in their own dtype, by some of the dimensions where there are many: all would be no nearer.
    """
    some = x[:, :: max(1, x.shape[1] // _ENOUGH)]
    # A sum of D products is off by at most D roundings of their sizes' sum.
    near = _near(some, within, slack=4.0 * some.shape[1] * torch.finfo(x.dtype).eps)
    return (near.sum(dim=1) > 1).nonzero().flatten()


def _near(x: Tensor, within: float, slack: float) -> Tensor:
    """(N, N), true where rows of x: (N, D) are within a squared distance, found by one product.

    Args:
        slack: as a share of the largest row's square.
    """
    gram = x @ x.T
    squared = gram.diagonal()[:, None] + gram.diagonal()[None, :] - 2.0 * gram
    if len(x):
        within = within + slack * (1.0 + float(gram.diagonal().max()))
    return squared <= within
