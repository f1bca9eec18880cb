"""Posterior sampling: the best of what the surrogate holds possible (Thompson 1933)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sampler_service.selection.candidates import Candidates, Choice, Round
from sampler_service.selection.resemblance import joint_draws

NUM_DRAWS = 1023
_MAX_ELEMENTS = 2**22
"""Numbers held at once."""


@dataclass(frozen=True)
class Thompson:
    """Shows the k best of a draw of all rewards from their joint posterior.

    Inclusion has no closed form: it is the share of `num_draws` further slates. The propensity of what is
    shown counts its own slate too, (C + 1) / (S + 1) with C of S further ones. Then E[shown / propensity] is
    1 - (1 - p)^(S + 1), so that inverse propensities are unbiased for all but the rarest; and none is below
    1 / (S + 1).

    Attributes:
        each_its_own: whether every pick has a draw of its own (batch), of which it is the best left.
        num_draws: S.
    """

    each_its_own: bool = False
    num_draws: int = NUM_DRAWS

    @property
    def looks_around(self) -> bool:
        return False

    @property
    def needs_correlation(self) -> bool:
        return True

    def __call__(self, candidates: Candidates, k: int, at: Round, generator: torch.Generator) -> list[Choice]:
        shown = min(k, len(candidates))
        if shown == 0:
            return []
        positions, rewards = self._slates(candidates, shown, 1, generator)
        further = self.inclusion(candidates, k, at, generator) * self.num_draws
        propensity = (further + 1.0) / (self.num_draws + 1.0)
        return [
            candidates.choice(position, "sampled", float(propensity[position]), reward)
            for position, reward in zip(positions[0].tolist(), rewards[0].tolist(), strict=True)
        ]

    def inclusion(
        self,
        candidates: Candidates,
        k: int,
        at: Round,  # noqa: ARG002
        generator: torch.Generator,
    ) -> Tensor:
        """Estimated by `num_draws` slates: standard error at most 0.016."""
        shown = min(k, len(candidates))
        counts = torch.zeros(len(candidates), dtype=torch.float64)
        if shown == 0:
            return counts
        at_once = max(1, _MAX_ELEMENTS // (len(candidates) * (shown if self.each_its_own else 1)))
        for begin in range(0, self.num_draws, at_once):
            count = min(at_once, self.num_draws - begin)
            positions, _ = self._slates(candidates, shown, count, generator)
            counts += torch.bincount(positions.flatten(), minlength=len(candidates))
        return counts / self.num_draws

    def _slates(
        self, candidates: Candidates, k: int, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """(count, k): positions, in order, and their rewards in the draws that they were best of."""
        if not self.each_its_own:
            rewards, positions = joint_draws(candidates, count, generator).topk(k, dim=1)
            return positions, rewards
        draws = joint_draws(candidates, count * k, generator).reshape(count, k, len(candidates))
        return _best_left_of_each(draws)


def _best_left_of_each(draws: Tensor) -> tuple[Tensor, Tensor]:
    """(S, k) positions and rewards: the best of the first draw, of the second what is best of the others, ...

    Args:
        draws: (S, k, M), k at most M.
    """
    taken = torch.zeros(draws.shape[0], draws.shape[2], dtype=torch.bool)
    positions, rewards = [], []
    for draw in draws.unbind(dim=1):
        reward, position = draw.masked_fill(taken, -torch.inf).max(dim=1, keepdim=True)
        taken.scatter_(1, position, True)
        positions.append(position)
        rewards.append(reward)
    return torch.cat(positions, dim=1), torch.cat(rewards, dim=1)
