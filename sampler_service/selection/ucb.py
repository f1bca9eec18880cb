"""Optimism: the largest upper confidence bounds, one pick after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sampler_service.selection.candidates import Candidates, Choice, Round
from sampler_service.selection.picking import Score, included, pick_in_turn
from sampler_service.selection.resemblance import share_of_variance_left

KAPPA = 1.0


def upper_bound(candidates: Candidates, picked: Sequence[int] = ()) -> Tensor:  # noqa: ARG001
    return candidates.prediction.mean + KAPPA * candidates.prediction.std


def upper_bound_once_known(candidates: Candidates, picked: Sequence[int]) -> Tensor:
    """Each pick lowers the uncertainty of what resembles it and leaves every mean (Desautels et al. 2014).

    Where the paper conditions on an answer with its noise, the picked rewards are taken as known: to ask
    twice about look-alikes would average noise out, but show the user the same thing twice.
    """
    left = share_of_variance_left(candidates, picked).sqrt()
    return candidates.prediction.mean + KAPPA * candidates.prediction.std * left


@dataclass(frozen=True)
class UpperConfidenceBound:
    """Deterministic: what it shows has propensity 1, and of all else nothing can be learnt afterwards.

    Attributes:
        diverse: whether picks count as known for those after them (GP-BUCB).
    """

    diverse: bool = False

    @property
    def needs_correlation(self) -> bool:
        return self.diverse

    @property
    def score(self) -> Score:
        return upper_bound_once_known if self.diverse else upper_bound

    def __call__(
        self,
        candidates: Candidates,
        k: int,
        at: Round,  # noqa: ARG002
        generator: torch.Generator,  # noqa: ARG002
    ) -> list[Choice]:
        picks = pick_in_turn(self.score, candidates, min(k, len(candidates)))
        return [
            candidates.choice(pick.position, "diverse" if self.diverse and place else "top", 1.0, pick.score)
            for place, pick in enumerate(picks)
        ]

    def inclusion(
        self,
        candidates: Candidates,
        k: int,
        at: Round,  # noqa: ARG002
        generator: torch.Generator,  # noqa: ARG002
    ) -> Tensor:
        picks = pick_in_turn(self.score, candidates, min(k, len(candidates)))
        return included([pick.position for pick in picks], len(candidates))
