"""Multinomial: N independent draws; the textbook scheme, with the most variance."""

from __future__ import annotations

import torch
from torch import Tensor

from sampler_service.resampling.inverse_cdf import inverse_cdf, uniform


def multinomial(weights: Tensor, generator: torch.Generator) -> Tensor:
    return inverse_cdf(weights, uniform(len(weights), weights, generator))
