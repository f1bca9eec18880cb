"""What was removed of a user."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Self


@dataclass(frozen=True)
class Erased:
    """How much of each; all 0 when nothing was there.

    Attributes:
        particles: shown ones, answered or not.
        surrogates: artifacts.
        cohort_shares: what its sessions had taught cohorts.
    """

    sessions: int = 0
    events: int = 0
    slates: int = 0
    particles: int = 0
    surrogates: int = 0
    cohort_shares: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    def __bool__(self) -> bool:
        return any(astuple(self))
