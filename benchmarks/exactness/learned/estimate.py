"""log Z and masses with their joint error, from weights alone: of prior draws, or of whole runs.

Both are the same ratio. A draw x of the prior has weight exp(beta r(x)); a run has weight Z_hat and the
masses of its population, and E[Z_hat sum_i W_i f(x_i)] = Z E_p[f] whatever N is (Del Moral 2004, Theorem
7.4.2). So pooling runs by Z_hat is right in the limit of many runs, where their plain mean keeps a bias of
order 1 / N.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """What J independent replicates say together.

    Attributes:
        values: (1 + C,), float64: log Z, then the mass of every cell.
        covariance: (1 + C, 1 + C), of the values, to first order in 1 / J.
        num_replicates: J.
        ess: of the weights of the replicates, 1 to J.
    """

    values: Tensor
    covariance: Tensor
    num_replicates: int
    ess: float

    @property
    def errors(self) -> Tensor:
        """(1 + C,), standard errors."""
        return self.covariance.diagonal().clamp(min=0.0).sqrt()

    def without_error(self) -> Estimate:
        """The same values as exact ones, for what was enumerated and not drawn."""
        return Estimate(self.values, torch.zeros_like(self.covariance), self.num_replicates, self.ess)


def estimate(log_weights: Tensor, cells: Tensor) -> Estimate:
    """The ratio estimate and the delta method's error.

    Args:
        log_weights: (J,), whose exponentials average to Z. cells: (J, C), each replicate's masses.
    """
    log_weights, cells = log_weights.double(), cells.double()
    num = len(log_weights)
    log_z = torch.logsumexp(log_weights, dim=0) - math.log(num)
    relative = torch.exp(log_weights - log_z)
    masses = (relative[:, None] * cells).mean(dim=0)
    influence = torch.cat([relative[:, None] - 1.0, relative[:, None] * (cells - masses)], dim=1)
    return Estimate(
        values=torch.cat([log_z[None], masses]),
        covariance=influence.T @ influence / (num * max(1, num - 1)),
        num_replicates=num,
        ess=num**2 / float(relative.square().sum()),
    )
