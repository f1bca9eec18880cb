"""Round 0: nothing is known yet, so draws of the prior are shown, as they come or as different as can be."""

from __future__ import annotations

import torch
from torch import Tensor

from apa.surrogates.base import Prediction
from sampler_service.selection.candidates import Candidates, Choice
from sampler_service.selection.picking import pick_in_turn
from sampler_service.selection.resemblance import share_of_variance_left

DRAWS_PER_PARTICLE = 4
"""Of a first slate that explores, for each particle of the session's runs: unsteered draws cost about as much
together as one steered run then; measured in docs/decisions/0014."""
_SQUARED_BANDWIDTH = 0.3
"""In units of the mean squared distance between two draws: what is expected of a taste before any answer
(docs/decisions/0010)."""


def cold_start(indices: Tensor, k: int) -> list[Choice]:
    """The first k; exchangeable draws, so each of the M had the same chance k / M.

    Args:
        indices: (M,), rows of the distinct particles.
    """
    shown = indices[:k].tolist()
    return [Choice(index, "cold_start", len(shown) / len(indices)) for index in shown]


def exploring_start(indices: Tensor, x: Tensor, k: int) -> list[Choice]:
    """The first draw, then always the one that those before it say least of: batch UCB before any answer.

    All means and variances being the same, the upper bound is highest where most variance is left of a
    Gaussian process over the items (Desautels et al. 2014). Deterministic, so each has propensity 1.

    Args:
        indices: (M,), rows of the distinct particles.
        x: (M, *data_shape), the items.
    """
    if len(indices) == 0:
        return []
    z = x.flatten(1).double()
    squared = torch.cdist(z, z).square()
    typical = squared.mean().clamp(min=torch.finfo(squared.dtype).tiny)
    correlation = torch.exp(-0.5 * squared / (_SQUARED_BANDWIDTH * typical))
    nothing = torch.zeros(len(indices), dtype=torch.float64)
    candidates = Candidates(indices, Prediction(nothing, nothing + 1.0), nothing, correlation=correlation)
    picks = pick_in_turn(share_of_variance_left, candidates, min(k, len(indices)))
    return [candidates.choice(pick.position, "cold_start", 1.0, 0.0) for pick in picks]
