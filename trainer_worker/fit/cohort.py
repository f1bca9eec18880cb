"""What a cohort taught: the Gaussian over its members' heads, by empirical Bayes.

    w_i ~ N(m, C),   p(answers of i | w_i) ~ exp(-w^T L_i w / 2 + h_i^T w)

The mean and covariance are found by EM (Dempster, Laird and Rubin 1977) under a prior that is worth a few
members whose heads are N(0, I), as the process itself expects them: of few members little is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from apa.errors import DataLoss

PSEUDO_MEMBERS = 4.0
"""Members that the prior of the mean and covariance counts for."""
MAX_STEPS = 50
_TOLERANCE = 1e-4
"""Root mean square change of the mean, in units of the process's own strength."""


@dataclass(frozen=True, eq=False)
class Share:
    """What one member's answers say of its head w, in units of the strength of its process.

    Attributes:
        precision: (P, P), L above, positive semi-definite. information: (P,), h above.
    """

    precision: Tensor
    information: Tensor

    def to_bytes(self) -> bytes:
        """Little-endian float32: the information, then the precision's lower triangle, row by row."""
        rows, columns = torch.tril_indices(*self.precision.shape)
        numbers = torch.cat([self.information, self.precision[rows, columns]])
        return numbers.numpy().astype("<f4").tobytes()

    @classmethod
    def of_bytes(cls, blob: bytes, size: int) -> Self:
        """The share of a head of `size` weights.

        Raises:
            DataLoss: other functions than these, or numbers that no answers can give.
        """
        expected = 4 * (size + size * (size + 1) // 2)
        if len(blob) != expected:
            raise _damaged(f"{expected} bytes", f"{len(blob)}")
        numbers = torch.from_numpy(np.frombuffer(blob, "<f4").astype(np.float64))
        if not bool(torch.isfinite(numbers).all()):
            raise _damaged("finite numbers", "NaN or infinity")
        precision = numbers.new_zeros(size, size)
        rows, columns = torch.tril_indices(size, size)
        precision[rows, columns] = numbers[size:]
        precision[columns, rows] = numbers[size:]
        if float(torch.linalg.eigvalsh(precision)[0]) < -1e-3 * max(float(precision.trace()), 1.0):
            raise _damaged("a positive semi-definite precision", "one that is not")
        return cls(precision, numbers[:size])


@dataclass(frozen=True, eq=False)
class Cohort:
    """N(mean, covariance) of a new member's head; mean: (P,), covariance: (P, P), nowhere wider than I."""

    mean: Tensor
    covariance: Tensor
    num_members: int


def learn_cohort(shares: Sequence[Share], size: int) -> Cohort:
    """The Gaussian that a new member's head of `size` weights is drawn from; N(0, I) without any share."""
    eye = torch.eye(size, dtype=torch.float64)
    mean, covariance = torch.zeros(size, dtype=torch.float64), eye
    if not shares:
        return Cohort(mean, covariance, 0)
    precisions = torch.stack([share.precision for share in shares])
    informations = torch.stack([share.information for share in shares])
    count = len(shares) + PSEUDO_MEMBERS
    for _ in range(MAX_STEPS):
        inverse = torch.linalg.inv(covariance)
        unknown = torch.linalg.inv(precisions + inverse)
        heads = (unknown @ (informations + inverse @ mean)[..., None])[..., 0]
        before, mean = mean, heads.sum(dim=0) / count
        apart = heads - mean
        # The pseudo-members' heads are N(0, I) too, and as far from the mean as that is from 0.
        scatter = unknown.sum(dim=0) + apart.T @ apart + PSEUDO_MEMBERS * (eye + torch.outer(mean, mean))
        covariance = _at_most_one(scatter / count)
        if float((mean - before).square().mean().sqrt()) < _TOLERANCE:
            break
    # What is not known of the mean is not known of a new member either.
    return Cohort(mean, _at_most_one(covariance * (1.0 + 1.0 / count)), len(shares))


def _at_most_one(covariance: Tensor) -> Tensor:
    """With no direction of more variance than the process's own, which an artifact cannot say."""
    values, vectors = torch.linalg.eigh(0.5 * (covariance + covariance.T))
    clamped: Tensor = vectors * values.clamp(1e-6, 1.0) @ vectors.T
    return clamped


def _damaged(expected: str, found: str) -> DataLoss:
    return DataLoss("a member's share of a cohort is damaged", field="share", expected=expected, found=found)
