"""Which users are fitted as one batch, and their rewards side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from apa.surrogates import Surrogate
from trainer_worker.fit.standardise import standardise_stacked
from trainer_worker.observations import Observations

SIZES = (8, 16, 24, 32, 48, 64, 80, 128, 192, 256)
"""Rows that a stack is filled up to; beyond the last, to the next multiple of it."""
NUMBERS = 2**20
"""In the largest tensor of a stack, 8 MiB: a bound on its memory, and larger ones are no faster."""

G = TypeVar("G")
S = TypeVar("S", bound=Surrogate)


def in_stacks(
    given: Sequence[G],
    sizes: Sequence[int],
    numbers: Callable[[int], int],
    fit: Callable[[Sequence[G]], Sequence[S]],
) -> list[S]:
    """What `fit` makes of each, in order, those together that are of about the same size.

    Args:
        sizes: rows of each.
        numbers: in the largest tensor, for each user in a stack of so many rows.
    """
    found: dict[int, S] = {}
    for size, places in _of_a_size(sizes).items():
        at_once = max(1, NUMBERS // numbers(size))
        for start in range(0, len(places), at_once):
            part = places[start : start + at_once]
            found |= dict(zip(part, fit([given[place] for place in part]), strict=True))
    return [found[place] for place in range(len(given))]


def _of_a_size(sizes: Sequence[int]) -> dict[int, list[int]]:
    """Places in `sizes`, those together that are filled up to the same one."""
    found: dict[int, list[int]] = {}
    for place, rows in enumerate(sizes):
        size = next((size for size in SIZES if size >= rows), -(-rows // SIZES[-1]) * SIZES[-1])
        found.setdefault(size, []).append(place)
    return found


def stacked_rewards(given: Sequence[Observations]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Of B users' scalar answers: y, items, present, all (B, A), then means and scales (B).

    Standardised rewards and the row of the item that each is about, 0 where there is no answer, and where
    there is one.
    """
    counts = torch.tensor([len(observations) for observations in given])
    present = torch.arange(int(counts.max())) < counts[:, None]
    rewards, items = (
        torch.zeros(present.shape, dtype=torch.float64),
        torch.zeros(present.shape, dtype=torch.long),
    )
    rewards[present] = torch.cat([observations.values for observations in given])
    items[present] = torch.tensor([row for observations in given for (row,) in observations.rows])
    y, mean, scale = standardise_stacked(rewards, present)
    return y, items, present, mean, scale
