"""Stratified: one uniform number in each of N equal strata."""

from __future__ import annotations

import torch
from torch import Tensor

from sampler_service.resampling.inverse_cdf import inverse_cdf, uniform


def stratified(weights: Tensor, generator: torch.Generator) -> Tensor:
    n = len(weights)
    strata = torch.arange(n, device=weights.device, dtype=torch.float64)
    return inverse_cdf(weights, (strata + uniform(n, weights, generator)) / n)
