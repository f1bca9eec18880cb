"""Systematic: one uniform number shifts a regular comb; the least variance in practice."""

from __future__ import annotations

import torch
from torch import Tensor

from sampler_service.resampling.inverse_cdf import inverse_cdf, uniform


def systematic(weights: Tensor, generator: torch.Generator, count: int | None = None) -> Tensor:
    """As every scheme; count: how many ancestors, where that is not N."""
    n = len(weights) if count is None else count
    comb = torch.arange(n, device=weights.device, dtype=torch.float64)
    return inverse_cdf(weights, (comb + uniform(1, weights, generator)) / n)
