"""Where the heaviest particles of a run are heading, for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Preview:
    """The n particles of the largest weights at one step, before any resampling, the heaviest first.

    Attributes:
        rows: (n,), int64, of the population at this step.
        x_0_hat: (n, *data_shape), their denoised estimates.
        log_weights: (n,), float64, normalised over all N: exp is each particle's share of the population.
    """

    rows: Tensor
    x_0_hat: Tensor
    log_weights: Tensor

    @property
    def num_bytes(self) -> int:
        return sum(part.nbytes for part in (self.rows, self.x_0_hat, self.log_weights))


def preview_of(x_0_hat: Tensor, log_weights: Tensor, num_previewed: int) -> Preview:
    """The preview of a population, on its device and without waiting for it.

    Args:
        x_0_hat: (N, *data_shape).
        log_weights: (N,), unnormalised.
        num_previewed: n, at least 1; all N where there are fewer.
    """
    # Stable: of equal weights, as without a potential, those of the lowest rows.
    rows = torch.argsort(log_weights, descending=True, stable=True)[:num_previewed]
    return Preview(rows, x_0_hat[rows], torch.log_softmax(log_weights, dim=0)[rows])
