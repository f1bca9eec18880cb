"""The model of `ridge` with no eigenvectors: evidence from a tridiagonal form, the posterior from Cholesky's.

With Q^T A Q = T tridiagonal and Q^T y = |y| e_1, eliminating from the last row up,

    d_n = T_nn + ratio,   d_i = T_ii + ratio - T_(i,i+1)^2 / d_(i+1)

gives log det(A + ratio I) = sum log d_i and y^T (A + ratio I)^-1 y = |y|^2 / d_1 (Golub
and Meurant 2010, ch. 3).
That is O(n) for each ratio. No eigenvector is computed, and these are most of what a decomposition takes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import lapack
from threadpoolctl import ThreadpoolController
from torch import Tensor

from trainer_worker.fit.ridge import RATIOS, RidgePosterior, evidence_of, log_prior, variance_of

_BLOCK = 8
"""Columns that LAPACK reduces at once."""
_AT_ONCE = 32
"""Pivots multiplied before a logarithm is taken: their product stays within float64's range."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What B stacked regressions were told, of N rows each, filled up with rows of zeros.

    Attributes:
        y: (B, N), standardised; of R answers to one item, sqrt(R) times their mean.
        left_over: (B), squared length of the answers outside y.
        count: (B), answers.
        sizes: rows of each that are not filled up.
    """

    y: Tensor
    left_over: Tensor
    count: Tensor
    sizes: Sequence[int]


def log_posterior(grams: Tensor, answers: Answers) -> Tensor:
    """(B, K, 57), of each of `RATIOS`, up to a constant, under K designs Z with Z Z^T = grams: (B, K, N, N).

    Args:
        grams: float64, zero where rows are filled up; they are overwritten.
    """
    num_designs, size = grams.shape[1], grams.shape[-1]
    turned = _turned(grams, answers.y).flatten(0, 1).numpy()
    sizes = [rows for rows in answers.sizes for _ in range(num_designs)]
    log_det, first = _eliminated(*tridiagonal(turned, sizes), RATIOS.numpy())
    shape = (-1, num_designs, len(RATIOS))
    log_dets = torch.from_numpy(log_det).reshape(shape)
    inside = answers.y.square().sum(dim=1)[:, None, None] / torch.from_numpy(first).reshape(shape)
    count = answers.count[:, None, None]
    log_dets = log_dets + (count - size) * RATIOS.log()
    misfit = inside + answers.left_over[:, None, None] / RATIOS
    return evidence_of(log_dets, misfit, count) + log_prior(RATIOS)


def posterior(design: Tensor, gram: Tensor, answers: Answers, ratio: Tensor) -> RidgePosterior:
    """The posterior of the weights; factor: (B, N, P).

    Args:
        design: (B, N, P). gram: (B, N, N), of the prior of design @ weights over its variance. ratio: (B).

    Raises:
        torch.linalg.LinAlgError: gram + ratio I is not positive definite to rounding.
    """
    root = torch.linalg.cholesky(gram + ratio[:, None, None] * torch.eye(gram.shape[-1], dtype=gram.dtype))
    factor = torch.linalg.solve_triangular(root, design, upper=False)
    half = torch.linalg.solve_triangular(root, answers.y[..., None], upper=False)
    misfit = half.square().sum(dim=(1, 2)) + answers.left_over / ratio
    return RidgePosterior((factor.mT @ half)[..., 0], factor, variance_of(misfit, answers.count))


def _turned(grams: Tensor, y: Tensor) -> Tensor:
    """H grams H (B, K, N, N) in their place, H the reflection that takes y (B, N) to a multiple of e_1."""
    v = y.clone()
    v[:, 0] += y.norm(dim=1).copysign(y[:, 0])
    v = torch.nn.functional.normalize(v, dim=1)[:, None, :, None].expand(*grams.shape[:-1], 1).flatten(0, 1)
    grams = grams.flatten(0, 1)
    p = grams @ v
    w = 2.0 * (p - v * (v.mT @ p))
    turned = grams.baddbmm_(torch.cat([v, w], dim=-1), torch.cat([w, v], dim=-1).mT, alpha=-1.0)
    return turned.reshape(len(y), -1, *grams.shape[1:])


def tridiagonal(
    matrices: NDArray[np.float64], sizes: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Diagonals (P, N) and squared off-diagonals (P, N) of matrices (P, N, N), e_1 staying what it is."""
    diagonals = np.zeros(matrices.shape[:2])
    squares = np.zeros(matrices.shape[:2])
    # Matrices this small gain nothing by threads, and on busy cores wait a hundred times their work for them.
    with _blas().limit(limits=1, user_api="blas"):
        for matrix, size, diagonal, square in zip(matrices, sizes, diagonals, squares, strict=True):
            _, d, e, *_ = lapack.dsytrd(matrix[:size, :size].T, lower=1, lwork=_BLOCK * size, overwrite_a=1)
            diagonal[:size], square[: size - 1] = d, e * e
    return diagonals, squares


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _eliminated(
    diagonals: NDArray[np.float64], squares: NDArray[np.float64], ratios: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """log det(T + ratio I) and the first pivot, both (P, G), for ratios (G,)."""
    pivots = diagonals[:, -1:] + ratios
    product, log_det = pivots.copy(), np.zeros_like(pivots)
    for row in range(diagonals.shape[1] - 2, -1, -1):
        pivots = squares[:, row : row + 1] / pivots
        np.subtract(diagonals[:, row : row + 1], pivots, out=pivots)
        pivots += ratios
        # They are at least the ratio, but for rounding.
        np.maximum(pivots, ratios, out=pivots)
        product *= pivots
        if row % _AT_ONCE == 0:
            log_det += np.log(product)
            product.fill(1.0)
    return log_det + np.log(product), pivots
