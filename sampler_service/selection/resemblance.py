"""What candidates have in common: what is left to learn of one once others are known, and joint draws."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sampler_service.selection.candidates import Candidates

_JITTER = 1e-6
"""Share of each variance that is taken to be its own: features in float32 leave less than full rank."""


def share_of_variance_left(candidates: Candidates, picked: Sequence[int]) -> Tensor:
    """(M,), in [0, 1]: of the variance of each reward, once those of the picked are known without noise.

    The posterior variance of Gaussian rewards depends on what was asked only, not on what was answered:

        left_i = 1 - R_iP R_PP^-1 R_Pi
    """
    correlation = correlation_of(candidates)
    if not picked:
        return torch.ones(len(candidates), dtype=torch.float64)
    positions = torch.tensor(picked)
    to_picked = correlation[positions]
    among = to_picked[:, positions]
    among.diagonal().add_(_JITTER)
    # Not by a Cholesky factor: the correlation of near copies may be indefinite by rounding.
    known: Tensor = torch.linalg.solve(among, to_picked)
    return 1.0 - (to_picked * known).sum(dim=0).clamp(0.0, 1.0)


def joint_draws(candidates: Candidates, count: int, generator: torch.Generator) -> Tensor:
    """(count, M), float64: draws of all rewards together from what the surrogate holds possible."""
    mean, std = candidates.prediction.mean.double(), candidates.prediction.std.double()
    noise = torch.randn(count, len(mean), generator=generator, dtype=torch.float64)
    return mean + std * (noise @ factor(correlation_of(candidates)).T)


def factor(correlation: Tensor) -> Tensor:
    """F with F F^T = correlation (M, M), up to `_JITTER`."""
    lower: Tensor
    lower, failed = torch.linalg.cholesky_ex(
        correlation + _JITTER * torch.eye(len(correlation), dtype=correlation.dtype)
    )
    if not bool(failed):
        return lower
    values, vectors = torch.linalg.eigh(correlation)
    root: Tensor = vectors * values.clamp(min=0.0).sqrt()
    return root


def correlation_of(candidates: Candidates) -> Tensor:
    assert candidates.correlation is not None, "the policy did not say that it needs the correlation"
    return candidates.correlation.double()
