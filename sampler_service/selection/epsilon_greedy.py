"""The paper's policy: the n_top best, and n_random uniformly from the rest (Algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sampler_service.selection.candidates import Candidates, Choice, Round
from sampler_service.selection.picking import Pick, included, pick_in_turn
from sampler_service.selection.resemblance import share_of_variance_left

_LEAST_LEFT = 1e-12


def merit_and_difference(candidates: Candidates, picked: Sequence[int]) -> Tensor:
    """(M,), merit less a penalty for what the picks before have in common with it, in the merit's units.

    Greedy MAP of a determinantal point process (Chen et al. 2018, arXiv 1709.05135) with the qualities
    q_i = exp(merit_i / spread) and the surrogate's correlation R as similarity: log det of L = q R q grows by
    2 merit_i / spread + log left_i. Not the upper bound's way: a mean has no uncertainty that a pick could
    lower. So what a difference is worth has to be said: to have a tenth of the variance left costs 1.15
    spreads of merit.
    """
    merit = candidates.merit.double()
    left = share_of_variance_left(candidates, picked).clamp(min=_LEAST_LEFT)
    # Of candidates of equal merit the most different ones.
    spread = float(merit.std(correction=0)) or 1.0
    return merit + 0.5 * spread * left.log()


@dataclass(frozen=True)
class EpsilonGreedy:
    """epsilon falls from `start` by `fall` over the budget.

    Attributes:
        diverse: whether the top ones are chosen to differ, too.
    """

    start: float = 0.8
    fall: float = 0.7
    diverse: bool = False

    @property
    def looks_around(self) -> bool:
        return False

    @property
    def needs_correlation(self) -> bool:
        return self.diverse

    def __call__(self, candidates: Candidates, k: int, at: Round, generator: torch.Generator) -> list[Choice]:
        top, rest, n_random = self._parts(candidates, k, at)
        picked = torch.randperm(len(rest), generator=generator, device=generator.device)[:n_random].tolist()
        random = [rest[i] for i in picked]
        return [
            candidates.choice(one.position, "diverse" if self.diverse and place else "top", 1.0, one.score)
            for place, one in enumerate(top)
        ] + [
            candidates.choice(position, "random", n_random / len(rest), float(candidates.merit[position]))
            for position in random
        ]

    def inclusion(
        self,
        candidates: Candidates,
        k: int,
        at: Round,
        generator: torch.Generator,  # noqa: ARG002
    ) -> Tensor:
        top, rest, n_random = self._parts(candidates, k, at)
        found = included([pick.position for pick in top], len(candidates))
        if rest:
            found[rest] = n_random / len(rest)
        return found

    def _parts(self, candidates: Candidates, k: int, at: Round) -> tuple[list[Pick], list[int], int]:
        """The top ones, the positions of all others, and how many of those are drawn."""
        shown = min(k, len(candidates))
        n_random = self.num_random(shown, at)
        # By count from the front: a slice [-n_top:] takes everything when n_top is 0.
        n_top = shown - n_random
        top = self._top(candidates, n_top)
        taken = {pick.position for pick in top}
        return top, [position for position in range(len(candidates)) if position not in taken], n_random

    def _top(self, candidates: Candidates, count: int) -> list[Pick]:
        if self.diverse:
            return pick_in_turn(merit_and_difference, candidates, count)
        merit = candidates.merit
        order = torch.argsort(merit, descending=True, stable=True)[:count].tolist()
        return [Pick(position, float(merit[position])) for position in order]

    def num_random(self, k: int, at: Round) -> int:
        """floor(epsilon k); after the budget epsilon stays where it ended."""
        progress = min(at.step / at.total_steps, 1.0)
        return math.floor((self.start - self.fall * progress) * k)
