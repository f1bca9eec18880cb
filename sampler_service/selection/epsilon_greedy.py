"""The paper's policy: the n_top best, and n_random uniformly from the rest (Algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from sampler_service.selection.candidates import Candidates, Choice, Round


@dataclass(frozen=True)
class EpsilonGreedy:
    """epsilon falls from `start` by `fall` over the budget."""

    start: float = 0.8
    fall: float = 0.7

    def __call__(self, candidates: Candidates, k: int, at: Round, generator: torch.Generator) -> list[Choice]:
        shown = min(k, len(candidates))
        n_random = self.num_random(shown, at)
        order = torch.argsort(candidates.merit, descending=True, stable=True).tolist()
        # By count from the front: a slice [-n_top:] takes everything when n_top is 0.
        n_top = shown - n_random
        top, rest = order[:n_top], order[n_top:]
        picked = torch.randperm(len(rest), generator=generator, device=generator.device)[:n_random].tolist()
        return [candidates.choice(position, "top", 1.0) for position in top] + [
            candidates.choice(rest[i], "random", n_random / len(rest)) for i in picked
        ]

    def num_random(self, k: int, at: Round) -> int:
        """floor(epsilon k); after the budget epsilon stays where it ended."""
        progress = min(at.step / at.total_steps, 1.0)
        return math.floor((self.start - self.fall * progress) * k)
