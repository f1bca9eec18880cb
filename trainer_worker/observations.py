"""What one fit is given: distinct items, and answers about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from apa.records.session import FeedbackKindName


@dataclass(frozen=True, eq=False)
class Observations:
    """A answers about M items, in the order in which they were accepted.

    Attributes:
        x: (M, *data_shape), float32.
        kind: which likelihood the answers have.
        rows: A tuples of rows of x: one row of a scalar or binary answer; the best first of a comparison or a
            ranking.
        values: (A,), float64: the reward of a scalar answer in the user's units, 1 or 0 of a binary one, 0 of
            one that only orders.
    """

    x: Tensor
    kind: FeedbackKindName
    rows: tuple[tuple[int, ...], ...]
    values: Tensor

    @classmethod
    def scalar(cls, x: Tensor, rewards: Tensor) -> Self:
        """One reward for each item; x: (M, *data_shape), rewards: (M,)."""
        return cls(x, "scalar", tuple((row,) for row in range(len(x))), rewards.double())

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def item_of_value(self) -> Tensor:
        """(A,), the row that each scalar or binary answer is about."""
        return torch.tensor([rows[0] for rows in self.rows], dtype=torch.long)
