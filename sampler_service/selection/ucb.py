"""Optimism: the largest upper confidence bounds, one pick after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.surrogates.base import Prediction
from sampler_service.selection.candidates import Candidates, Choice, Round
from sampler_service.selection.picking import Pick, included, pick_in_turn
from sampler_service.selection.resemblance import share_of_variance_left

FIRST_KAPPA, LAST_KAPPA = 2.0, 0.5
"""Standard deviations that a bound is above its mean, at the budget's beginning and at its end; measured in
docs/decisions/0014."""


def kappa(at: Round) -> float:
    """What is found out late is of use to few slates: it falls linearly, and stays where the budget ended."""
    return FIRST_KAPPA - (FIRST_KAPPA - LAST_KAPPA) * min(at.step / at.total_steps, 1.0)


def upper_bound(prediction: Prediction, kappa: float, left: Tensor | float = 1.0) -> Tensor:
    """(M,), mean + kappa std.

    Args:
        left: (M,), the share of each standard deviation that is left.
    """
    return prediction.mean + kappa * prediction.std * left


@dataclass(frozen=True)
class UpperConfidenceBound:
    """Deterministic: what it shows has propensity 1, and of all else nothing can be learnt afterwards.

    Attributes:
        diverse: whether picks count as known for those after them (GP-BUCB, Desautels et al. 2014): each
            lowers the uncertainty of what resembles it and leaves every mean. Where the paper conditions on
            an answer with its noise, the picked rewards are taken as known: to ask twice about look-alikes
            would average noise out, but show the user the same thing twice.
    """

    diverse: bool = False

    @property
    def looks_around(self) -> bool:
        return True

    @property
    def needs_correlation(self) -> bool:
        return self.diverse

    def __call__(
        self,
        candidates: Candidates,
        k: int,
        at: Round,
        generator: torch.Generator,  # noqa: ARG002
    ) -> list[Choice]:
        return [
            candidates.choice(pick.position, "diverse" if self.diverse and place else "top", 1.0, pick.score)
            for place, pick in enumerate(self._picks(candidates, k, at))
        ]

    def inclusion(
        self,
        candidates: Candidates,
        k: int,
        at: Round,
        generator: torch.Generator,  # noqa: ARG002
    ) -> Tensor:
        return included([pick.position for pick in self._picks(candidates, k, at)], len(candidates))

    def _picks(self, candidates: Candidates, k: int, at: Round) -> list[Pick]:
        def score(candidates: Candidates, picked: Sequence[int]) -> Tensor:
            left = share_of_variance_left(candidates, picked).sqrt() if self.diverse else 1.0
            return upper_bound(candidates.prediction, kappa(at), left)

        return pick_in_turn(score, candidates, min(k, len(candidates)))
