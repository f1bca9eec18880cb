"""Two estimates side by side: how many standard errors apart, value by value and all together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.special import fdtrc
from torch import Tensor

from benchmarks.exactness.learned.estimate import Estimate

MOST_ERRORS = 3.0


@dataclass(frozen=True)
class Difference:
    """Of one value.

    Attributes:
        value, error: of the runs. reference, reference_error: of the weighted draws.
        z: the difference in combined standard errors.
    """

    what: str
    value: float
    error: float
    reference: float
    reference_error: float
    z: float


def differences(names: tuple[str, ...], runs: Estimate, reference: Estimate) -> tuple[Difference, ...]:
    """One for each value; names: of (log Z, every cell)."""
    gap = runs.values - reference.values
    combined = (runs.errors.square() + reference.errors.square()).sqrt()
    # Where neither varies there is nothing to divide by: equal values are no errors apart.
    z = torch.where(gap == 0.0, 0.0, gap / combined)
    columns = (runs.values, runs.errors, reference.values, reference.errors, z)
    rows = torch.stack(columns, dim=1).tolist()
    return tuple(Difference(name, *row) for name, row in zip(names, rows, strict=True))


def joint_p_value(runs: Estimate, reference: Estimate, kept: Tensor) -> float | None:
    """How often all values together would be this far apart by chance; None with too few runs to say.

    Hotelling's T^2 for two covariances, with the degrees of freedom of Krishnamoorthy and Yu (2004).

    Args:
        kept: (K,), positions of values none of which follows from the others.
    """
    gap, dims = (runs.values - reference.values)[kept], len(kept)
    if min(runs.num_replicates, reference.num_replicates) < 2 * dims:
        return None
    parts = [one.covariance[kept][:, kept] for one in (runs, reference)]
    both = parts[0] + parts[1]
    inverse = torch.linalg.pinv(both, hermitian=True)
    # A cell that is empty on both sides says nothing, and is no dimension.
    dims = int(torch.linalg.matrix_rank(both, hermitian=True))
    spent = 0.0
    for one, part in zip((runs, reference), parts, strict=True):
        share = part @ inverse
        spent += float((share @ share).trace() + share.trace() ** 2) / (one.num_replicates - 1)
    freedom = (dims + dims**2) / spent
    left = freedom - dims + 1
    squared = float(gap @ inverse @ gap)
    return float(fdtrc(dims, left, squared * left / (freedom * dims)))
