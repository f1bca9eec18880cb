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
    """A regression problem in its eigenbasis.

    Attributes:
        values: (K,), the non-zero eigenvalues of Z Z^T, K <= min(M, P).
        basis: (K, P), with basis basis^T = diag(values) and Z^T Z = basis^T basis.
        projections: (K,), y along the left singular vectors.
        left_over: squared length of y outside them.
        count: M.
    """

    values: Tensor
    basis: Tensor
    projections: Tensor
    left_over: float
    count: int


def spectrum(design: Tensor, y: Tensor) -> Spectrum:
    """Through Z Z^T when M <= P and Z^T Z otherwise; design: (M, P), y: (M,), both float64."""
    count, width = design.shape
    if count <= width:
        values, left = torch.linalg.eigh(design @ design.T)
        basis, projections = left.T @ design, left.T @ y
    else:
        values, right = torch.linalg.eigh(design.T @ design)
        basis = values.clamp(min=0.0).sqrt()[:, None] * right.T
        projections = (right.T @ (design.T @ y)) / values.clamp(min=1e-300).sqrt()
    # Directions without signal are left to `left_over`: their projections are noise over rounding error.
    kept = values > 1e-12 * values[-1].clamp(min=1e-300)
    values, basis, projections = values[kept], basis[kept], projections[kept]
    left_over = float((y @ y - projections @ projections).clamp(min=0.0))
    return Spectrum(values, basis, projections, left_over, count)


def log_evidence(problem: Spectrum, ratios: Tensor) -> Tensor:
    """(G,), log p(y | ratio) up to a constant, for ratios (G,)."""
    shifted = problem.values + ratios[:, None]
    outside = problem.count - len(problem.values)
    log_det = shifted.log().sum(dim=1) + outside * ratios.log()
    return -0.5 * log_det - (_SHAPE + 0.5 * problem.count) * (_RATE + 0.5 * _misfit(problem, ratios)).log()


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
    mean = torch.stack([log_evidence(problem, RATIOS) for problem in problems]).mean(dim=0)
    found = mean + log_prior(RATIOS)
    best = int(found.argmax())
    return BestRatio(float(RATIOS[best]), float(found[best]))


def log_prior(ratios: Tensor) -> Tensor:
    """(G,), the weak prior of ratios (G,), up to a constant."""
    return -0.5 * ((ratios.log10() - _LOG10_RATIO_MEAN) / _LOG10_RATIO_STD) ** 2


@dataclass(frozen=True)
class RidgePosterior:
    """N(weights, variance (I - factor^T factor)); weights: (P,), factor: (K, P)."""

    weights: Tensor
    factor: Tensor
    variance: float


def posterior(problem: Spectrum, ratio: float) -> RidgePosterior:
    """The posterior of the weights at one ratio, s^2 at its mean's denominator plus one."""
    shifted = problem.values + ratio
    weights = problem.basis.T @ (problem.projections / shifted)
    factor = problem.basis / shifted.sqrt()[:, None]
    misfit = float(_misfit(problem, torch.tensor([ratio], dtype=torch.float64)))
    variance = (_RATE + 0.5 * misfit) / (_SHAPE + 0.5 * problem.count)
    return RidgePosterior(weights, factor, variance)


def _misfit(problem: Spectrum, ratios: Tensor) -> Tensor:
    """(G,), y^T (Z Z^T + ratio I)^-1 y."""
    inside = problem.projections**2 / (problem.values + ratios[:, None])
    return inside.sum(dim=1) + problem.left_over / ratios
