"""Honest answers of every kind about items of known worth."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from apa.records.session import FeedbackKindName
from trainer_worker.observations import Observations

KINDS: tuple[FeedbackKindName, ...] = ("scalar", "binary", "pairwise", "ranking")


def honest(kind: FeedbackKindName, x: Tensor, worth: Tensor, seed: int = 0) -> Observations:
    """As many answers as items: likes of the better half, comparisons of two, rankings of four at random.

    Args:
        x: (M, *data_shape). worth: (M,).
    """
    if kind == "scalar":
        return Observations.scalar(x, worth)
    if kind == "binary":
        liked = (worth > worth.median()).double()
        return Observations(x, kind, tuple((row,) for row in range(len(x))), liked)
    size = 2 if kind == "pairwise" else 4
    rng = np.random.default_rng(seed)
    drawn = (rng.choice(len(x), size, replace=False).tolist() for _ in range(len(x)))
    rows = tuple(tuple(sorted(answer, key=lambda row: -float(worth[row]))) for answer in drawn)
    return Observations(x, kind, rows, torch.zeros(len(rows), dtype=torch.float64))


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's, of (M,) and (M,)."""
    ranks = torch.stack([one.argsort().argsort().double() for one in (a, b)])
    return float(torch.corrcoef(ranks)[0, 1])
