"""SSP, the Srinivasan sampling process (Gerber, Chopin and Whiteley 2019): N W_i rounded up or down.

Two fractions p and q are settled against each other, in a way that keeps the mean of both: one of them
becomes 0 or 1, the other is left with the rest and goes on. The pairs meet as in a knock-out tournament, so
it is log2 N rounds of tensor operations on the weights' device, none of them read by the host. Counts are
negatively associated in any order of the particles, which systematic resampling's are not, and in a
tournament as along a line (Brown Kramer, Cutler and Radcliffe, Negative Dependence and Srinivasan's Sampling
Process).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sampler_service.resampling.inverse_cdf import uniform


def ssp(weights: Tensor, generator: torch.Generator) -> Tensor:
    n = len(weights)
    rows = torch.arange(n, device=weights.device)
    expected = n * (weights.double() / weights.double().sum())
    counts, fractions, players = expected.floor(), expected.frac(), rows
    while len(players) > 1:
        counts, fractions, players = _round(counts, fractions, players, generator)
    # All fractions add up to a whole number, so the last one is 0 or 1 but for rounding.
    counts = counts.index_add(0, players, fractions.round())
    return torch.repeat_interleave(rows, counts.long(), output_size=n)


def _round(
    counts: Tensor, fractions: Tensor, players: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Settles pairs of M players: counts (N,), and fractions and rows of the ceil(M / 2) that go on."""
    if len(players) % 2:
        # A fraction of 0 never wins anything.
        fractions, players = torch.cat([fractions, fractions.new_zeros(1)]), torch.cat([players, players[:1]])
    (p, q), (first, second) = fractions.view(-1, 2).unbind(1), players.view(-1, 2).unbind(1)
    total = p + q
    over = total >= 1.0
    # Below 1, one takes all and the other 0; from 1 on, one becomes 1 and leaves the rest to the other.
    first_goes_on = uniform(len(p), p, generator) * torch.where(over, 2.0 - total, total) < torch.where(
        over, 1.0 - p, p
    )
    stays, goes_on = torch.where(first_goes_on, second, first), torch.where(first_goes_on, first, second)
    return counts.index_add(0, stays, over.to(counts)), total - over.to(total), goes_on
