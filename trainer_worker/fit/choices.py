"""Likes, comparisons and rankings as one likelihood: each is a sequence of choices among options.

An option of latent reward f is chosen with probability softmax(f) over the options left (Luce 1959). A like
is a choice between the item and doing without, whose latent is 0: Bernoulli with logistic f. A comparison is
a choice between two items (Bradley and Terry 1952), a ranking one for each place among those that are left
(Plackett 1975).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from trainer_worker.observations import Observations

NOISE_VARIANCE = {"binary": math.pi**2 / 3.0, "pairwise": math.pi**2 / 6.0, "ranking": math.pi**2 / 6.0}
"""Variance of what an answer adds to an item's latent reward: logistic for a like; Gumbel for each item of a
comparison or ranking, whose best is drawn with the probabilities above (Yellott 1977)."""


@dataclass(frozen=True, eq=False)
class Choices:
    """T choices of one among up to O options each.

    Attributes:
        num_items: M.
        options: (T, O), rows of the items, the chosen one first; M stands for doing without.
        present: (T, O), false where a choice has fewer options.
    """

    num_items: int
    options: Tensor
    present: Tensor

    @classmethod
    def of(cls, observations: Observations) -> Self:
        """What answers of any kind but scalar chose."""
        num_items = len(observations.x)
        stages = _likes(observations) if observations.kind == "binary" else _orders(observations)
        options = pad_sequence([torch.tensor(stage) for stage in stages], batch_first=True, padding_value=-1)
        present = options >= 0
        return cls(num_items, options.clamp(min=0), present)

    def log_likelihood(self, f: Tensor) -> Tensor:
        """() of latents f: (M,), differentiable in them."""
        return self.log_probabilities(f).sum()

    def log_probabilities(self, f: Tensor) -> Tensor:
        """(T,), of what was chosen."""
        utilities = self._utilities(f)
        return utilities[:, 0] - utilities.logsumexp(dim=1)

    def gradient(self, f: Tensor) -> Tensor:
        """(M,), of the log-likelihood."""
        residual = -self._probabilities(f)
        residual[:, 0] += 1.0
        return f.new_zeros(self.num_items + 1).index_add(0, self.options.flatten(), residual.flatten())[:-1]

    def curvature(self, f: Tensor) -> Tensor:
        """(M, M), the negative Hessian, positive semi-definite: diag(p) - p p^T of each choice."""
        p = self._probabilities(f)
        blocks = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
        side = self.num_items + 1
        cells = self.options[:, :, None] * side + self.options[:, None, :]
        flat = f.new_zeros(side * side).index_add(0, cells.flatten(), blocks.flatten())
        return flat.reshape(side, side)[:-1, :-1]

    def _utilities(self, f: Tensor) -> Tensor:
        """(T, O), minus infinity where there is no option."""
        latents = torch.cat([f, f.new_zeros(1)])[self.options]
        return latents.masked_fill(~self.present, -math.inf)

    def _probabilities(self, f: Tensor) -> Tensor:
        return self._utilities(f).softmax(dim=1)


def _likes(observations: Observations) -> list[list[int]]:
    without = len(observations.x)
    pairs = zip(observations.rows, observations.values.tolist(), strict=True)
    return [[row, without] if liked else [without, row] for (row,), liked in pairs]


def _orders(observations: Observations) -> list[list[int]]:
    return [list(rows[place:]) for rows in observations.rows for place in range(len(rows) - 1)]
