"""What every task supplies: a prior, how it is asked, and hidden tastes of a wanted rarity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.records.session import SessionConfig
from trainer_worker.fit import Transport

FIRST_HELD_OUT = 1000
"""Tastes below are for development, from here on for the report; a taste is a function of its number."""


@dataclass(frozen=True, eq=False)
class HiddenTaste:
    """What one simulated user likes.

    Attributes:
        reward: items (M, *data_shape) -> (M,), float64, in [0, 1].
        mode: items -> (M,) int64, which of the taste's modes an item belongs to, liked or not.
        num_modes: 1 or more.
        base_rate: P(reward > 0.5) under the prior, as constructed.
        attainable: mean reward of a slate that leaves little to wish for; see each task.
    """

    reward: Callable[[Tensor], Tensor]
    mode: Callable[[Tensor], Tensor]
    num_modes: int
    base_rate: float
    attainable: float


class Task(ABC):
    """A prior and its tastes.

    Attributes:
        name: as the tables show it.
        rarities: of its tastes; the first is the task as it is reported first.
        config: of a session; methods change it.
    """

    name: str
    rarities: tuple[float, ...]
    config: SessionConfig

    @property
    @abstractmethod
    def prior(self) -> Prior: ...

    @property
    def transport(self) -> Transport | None:
        """How heads look through noise."""
        return None

    @abstractmethod
    def taste(self, number: int, rarity: float) -> HiddenTaste:
        """The taste of that number, as rare in the prior as wanted, or as near as the task comes."""

    @abstractmethod
    def valid(self, x: Tensor) -> Tensor:
        """(M,) of 0 and 1: whether the prior itself holds items x (M, *data_shape) for its own."""

    @cached_property
    def describe(self) -> dict[str, object]:
        """What a cell's result depends on."""
        return {"config": self.config.model_dump(mode="json"), "prior": self.prior.content_hash}


def bisect(rate: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a falling rate is as wanted, between two ends; the nearer end where it never is."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if rate(middle) > wanted else (low, middle)
    return 0.5 * (low + high)


def best_of(rewards: Tensor, k: int) -> float:
    """The mean of the k largest."""
    return float(torch.topk(rewards, k).values.mean())
