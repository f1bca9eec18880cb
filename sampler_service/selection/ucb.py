"""Optimism: the largest upper confidence bounds, one pick after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sampler_service.selection.candidates import Candidates, Choice, Round

KAPPA = 1.0

Score = Callable[[Candidates, Sequence[int]], Tensor]
"""(candidates, positions picked so far) -> (M,); batch diversity: each pick lowers what resembles it."""


def mean_plus_kappa_std(candidates: Candidates, picked: Sequence[int]) -> Tensor:  # noqa: ARG001
    return candidates.prediction.mean + KAPPA * candidates.prediction.std


@dataclass(frozen=True)
class UpperConfidenceBound:
    score: Score = mean_plus_kappa_std

    def __call__(
        self,
        candidates: Candidates,
        k: int,
        at: Round,  # noqa: ARG002
        generator: torch.Generator,  # noqa: ARG002
    ) -> list[Choice]:
        picked: list[int] = []
        for _ in range(min(k, len(candidates))):
            score = self.score(candidates, picked).clone()
            score[picked] = -torch.inf
            picked.append(int(score.argmax()))
        return [candidates.choice(position, "top", 1.0) for position in picked]
