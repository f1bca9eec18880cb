"""Bayesian ridge regression whose regularisation is chosen by evidence, in the smaller of its two eigenbases.

The model, for a design Z (M, P) and standardised rewards y: y ~ N(0, s^2 (Z Z^T + ratio I)), where `ratio`
is the variance of an answer's noise over that of a weight, and s^2 has a weak inverse-gamma prior and is
integrated out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

RATIOS = torch.logspace(-3, 4, 57, dtype=torch.float64)
"""Where the evidence is evaluated, eight points a decade; a grid misses no second mode."""

_SHAPE, _RATE = 0.5, 0.5
"""Inverse-gamma prior of s^2: one pseudo-observation of variance one, that of standardised rewards."""
_LOG10_RATIO_MEAN, _LOG10_RATIO_STD = -0.5, 1.0
"""Prior of the ratio; it decides only where a handful of answers cannot."""


@dataclass(frozen=True)
class Spectrum:
    """A regression problem in its eigenbasis, or B of them stacked.

    Attributes:
        values: (*B, K), the eigenvalues of Z Z^T, K = min(M, P); 0 for directions without signal.
        basis: (*B, K, P), with basis basis^T = diag(values) and Z^T Z = basis^T basis.
        projections: (*B, K), y along the left singular vectors.
        left_over: (*B), squared length of y outside them.
        count: (*B), answers.
    """

    values: Tensor
    basis: Tensor
    projections: Tensor
    left_over: Tensor
    count: Tensor


def spectrum(design: Tensor, y: Tensor, count: Tensor | None = None) -> Spectrum:
    """Through Z Z^T when M <= P and Z^T Z otherwise.

    Args:
        design: (*B, M, P). y: (*B, M), both float64.
        count: (*B), how many answers there are, where rows of zeros fill up what is stacked; M for None.
    """
    num_rows, width = design.shape[-2:]
    if num_rows <= width:
        values, left = torch.linalg.eigh(design @ design.mT)
        basis, projections = left.mT @ design, _times(left.mT, y)
    else:
        values, right = torch.linalg.eigh(design.mT @ design)
        basis = values.clamp(min=0.0).sqrt()[..., None] * right.mT
        projections = _times(right.mT, _times(design.mT, y)) / values.clamp(min=1e-300).sqrt()
    # Directions without signal are left to `left_over`: their projections are noise over rounding error.
    kept = values > 1e-12 * values[..., -1:].clamp(min=1e-300)
    projections = projections.where(kept, 0.0)
    left_over = (y.square().sum(dim=-1) - projections.square().sum(dim=-1)).clamp(min=0.0)
    if count is None:
        count = torch.full_like(left_over, num_rows)
    return Spectrum(values.where(kept, 0.0), basis.where(kept[..., None], 0.0), projections, left_over, count)


def log_evidence(problem: Spectrum, ratios: Tensor) -> Tensor:
    """(*B, G), log p(y | ratio) up to a constant, for ratios (G,)."""
    count = problem.count[..., None]
    shifted = problem.values[..., None, :] + ratios[:, None]
    log_det = shifted.log().sum(dim=-1) + (count - problem.values.shape[-1]) * ratios.log()
    return evidence_of(log_det, _misfit(problem, ratios), count)


def evidence_of(log_det: Tensor, misfit: Tensor, count: Tensor) -> Tensor:
    """log p(y | ratio) up to a constant, of log det(Z Z^T + ratio I) and y^T (Z Z^T + ratio I)^-1 y."""
    return -0.5 * log_det - (_SHAPE + 0.5 * count) * (_RATE + 0.5 * misfit).log()


def variance_of(misfit: Tensor, count: Tensor) -> Tensor:
    """s^2, at its mean's denominator plus one."""
    return (_RATE + 0.5 * misfit) / (_SHAPE + 0.5 * count)


def choose_ratio(problems: Sequence[Spectrum]) -> float:
    """The ratio of highest posterior probability; see `best_ratio`."""
    return best_ratio(problems).ratio


class BestRatio(NamedTuple):
    """A ratio, and the log of its evidence times its prior, up to a constant."""

    ratio: float
    log_evidence: float


def best_ratio(problems: Sequence[Spectrum]) -> BestRatio:
    """The ratio of highest posterior probability; several problems are views of the same answers.

    Their evidence is averaged, not added: noised copies of an item are not more answers.
    """
    found = torch.stack([log_posterior(problem) for problem in problems]).mean(dim=0)
    best = int(found.argmax())
    return BestRatio(float(RATIOS[best]), float(found[best]))


def log_posterior(problem: Spectrum) -> Tensor:
    """(*B, 57), of each of `RATIOS`, up to a constant."""
    return log_evidence(problem, RATIOS) + log_prior(RATIOS)


def log_prior(ratios: Tensor) -> Tensor:
    """(G,), the weak prior of ratios (G,), up to a constant."""
    return -0.5 * ((ratios.log10() - _LOG10_RATIO_MEAN) / _LOG10_RATIO_STD) ** 2


@dataclass(frozen=True)
class RidgePosterior:
    """N(weights, variance (I - factor^T factor)); weights: (*B, P), factor: (*B, K, P), variance: (*B)."""

    weights: Tensor
    factor: Tensor
    variance: Tensor


def posterior(problem: Spectrum, ratio: float | Tensor) -> RidgePosterior:
    """The posterior of the weights at one ratio (*B), s^2 at its mean's denominator plus one."""
    at = torch.as_tensor(ratio, dtype=torch.float64)[..., None]
    shifted = problem.values + at
    weights = _times(problem.basis.mT, problem.projections / shifted)
    factor = problem.basis / shifted.sqrt()[..., None]
    inside = problem.projections.square() / shifted
    misfit = inside.sum(dim=-1) + problem.left_over / at[..., 0]
    return RidgePosterior(weights, factor, variance_of(misfit, problem.count))


def _misfit(problem: Spectrum, ratios: Tensor) -> Tensor:
    """(*B, G), y^T (Z Z^T + ratio I)^-1 y."""
    inside = problem.projections[..., None, :].square() / (problem.values[..., None, :] + ratios[:, None])
    return inside.sum(dim=-1) + problem.left_over[..., None] / ratios


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    """(*B, R): matrix (*B, R, C) times vector (*B, C)."""
    return (matrix @ vector[..., None])[..., 0]
