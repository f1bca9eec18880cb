"""A simulated user's answers to one slate, of each kind, some of them turned round."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.records.session import FeedbackKindName
from trainer_worker.observations import Observations

Taste = Callable[[Tensor], Tensor]
"""Items (k, *data_shape) -> true rewards (k,) in [0, 1]."""

LIKED = 0.5
"""A binary answer is yes above this reward."""


class Respondent:
    """Somebody with a hidden taste. Answers about the items of a slate in order, until it asks no more.

    Args:
        taste: items (k, *data_shape) -> true rewards (k,) in [0, 1].
        flip: the share of answers that say the opposite: 1 - r of a scalar one, the other half of a binary
            one, the order of a comparison, of each two neighbours in a ranking.
        seed: of what is flipped.
    """

    def __init__(self, taste: Taste, kind: FeedbackKindName, flip: float = 0.0, seed: int = 0) -> None:
        if not 0.0 <= flip <= 1.0:
            raise InvalidArgument(
                "no such share of flipped answers", field="flip", expected="0 to 1", found=str(flip)
            )
        self._taste = taste
        self._kind = kind
        self._flip = flip
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, x: Tensor, asked: int) -> Observations:
        rewards = self._taste(x).double()
        match self._kind:
            case "scalar" | "binary":
                return self._values(x, rewards, asked)
            case "pairwise":
                return self._comparisons(x, rewards, asked)
            case "ranking":
                return self._ranking(x, rewards, asked)

    def _values(self, x: Tensor, rewards: Tensor, asked: int) -> Observations:
        said = rewards[:asked]
        if self._kind == "binary":
            said = (said > LIKED).double()
        flipped = self._uniform(len(said)) < self._flip
        said = torch.where(flipped, 1.0 - said, said)
        return Observations(x, self._kind, tuple((row,) for row in range(len(said))), said)

    def _comparisons(self, x: Tensor, rewards: Tensor, asked: int) -> Observations:
        """Of the first with the second, the third with the fourth, and so on."""
        firsts = range(0, len(x) - 1, 2)[:asked]
        right = rewards[list(firsts)] >= rewards[[row + 1 for row in firsts]]
        keep = right ^ (self._uniform(len(firsts)) < self._flip)
        rows = tuple(
            (row, row + 1) if kept else (row + 1, row)
            for row, kept in zip(firsts, keep.tolist(), strict=True)
        )
        return Observations(x, "pairwise", rows, torch.zeros(len(rows), dtype=torch.float64))

    def _ranking(self, x: Tensor, rewards: Tensor, asked: int) -> Observations:
        """Of the first asked + 1 items."""
        order = torch.argsort(rewards[: asked + 1], descending=True, stable=True).tolist()
        for place in (self._uniform(len(order) - 1) < self._flip).nonzero().flatten().tolist():
            order[place], order[place + 1] = order[place + 1], order[place]
        return Observations(x, "ranking", (tuple(order),), torch.zeros(1, dtype=torch.float64))

    def _uniform(self, count: int) -> Tensor:
        return torch.rand(count, generator=self._generator, dtype=torch.float64)
