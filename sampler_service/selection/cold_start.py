"""Round 0: nothing is known yet, so the first distinct particles of an unsteered population are shown."""

from __future__ import annotations

from torch import Tensor

from sampler_service.selection.candidates import Choice


def cold_start(indices: Tensor, k: int) -> list[Choice]:
    """The first k; exchangeable draws, so each of the M had the same chance k / M.

    Args:
        indices: (M,), rows of the distinct particles.
    """
    shown = indices[:k].tolist()
    return [Choice(index, "cold_start", len(shown) / len(indices)) for index in shown]
