"""One pick after the other, each the highest of a score that may depend on the picks before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sampler_service.selection.candidates import Candidates

Score = Callable[[Candidates, Sequence[int]], Tensor]
"""(candidates, positions picked so far) -> (M,)."""


class Pick(NamedTuple):
    """The position of a candidate, and its score when it was picked."""

    position: int
    score: float


def pick_in_turn(score: Score, candidates: Candidates, count: int) -> list[Pick]:
    """`count` distinct ones; of equal scores the first."""
    picks: list[Pick] = []
    for _ in range(count):
        positions = [pick.position for pick in picks]
        scores = score(candidates, positions).clone()
        scores[positions] = -torch.inf
        best = int(scores.argmax())
        picks.append(Pick(best, float(scores[best])))
    return picks


def included(positions: Sequence[int], size: int) -> Tensor:
    """(size,), float64: 1 at these positions, else 0."""
    found = torch.zeros(size, dtype=torch.float64)
    found[list(positions)] = 1.0
    return found
