"""A few candidates with known rewards."""

from __future__ import annotations

import torch
from torch import Tensor

from apa.records.sampling import CorrectorName
from apa.surrogates.base import Prediction
from sampler_service.selection import Candidates

MEAN = torch.tensor([0.1, 0.9, 0.5, 0.3, 0.7])
STD = torch.tensor([2.0, 0.0, 0.0, 0.0, 0.0])


def candidates(
    mean: Tensor = MEAN,
    std: Tensor | None = None,
    corrector: CorrectorName = "fkc",
    correlation: Tensor | None = None,
) -> Candidates:
    """Rows 10, 11, ... of a population, with weights that rank them the other way round."""
    if std is None:
        std = STD if mean is MEAN else torch.ones(len(mean))
    rows = torch.arange(10, 10 + len(mean))
    return Candidates(rows, Prediction(mean, std), -mean.double(), corrector, correlation)


def resembling(m: int, seed: int = 0) -> Tensor:
    """(M, M), the correlation of rewards that are linear in three random features."""
    x = torch.randn(m, 3, generator=generator(seed), dtype=torch.float64)
    unit: Tensor = x / x.norm(dim=1, keepdim=True)
    return unit @ unit.T


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
