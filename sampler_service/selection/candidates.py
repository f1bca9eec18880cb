"""What a policy chooses from, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from apa.records.sampling import CLIPPED, CorrectorName
from apa.records.slate import SelectionReason
from apa.surrogates.base import Prediction


@dataclass(frozen=True)
class Choice:
    """One particle to show.

    Attributes:
        index: its row in the population.
        reason: why it was chosen.
        propensity: its inclusion probability given the population.
        score: what the policy ranked it by when it was picked, in the units of what it ranks by.
    """

    index: int
    reason: SelectionReason
    propensity: float
    score: float = 0.0


class Round(NamedTuple):
    """Where in the budget this slate stands.

    Attributes:
        step: slates already asked, at least 1: round 0 is the cold start.
        total_steps: slates that the budget pays for; ceil(B / k) with an answer for each item.
    """

    step: int
    total_steps: int


@dataclass(frozen=True)
class Candidates:
    """M distinct particles of a population.

    Attributes:
        indices: (M,), their rows in the population.
        prediction: the reward expected of each, (M,) mean and standard deviation, in the user's units.
        log_weights: (M,), their weights in the population.
        corrector: which made them; the weights of the clipped ones are their only ranking.
        correlation: (M, M) of these rewards, what the surrogate knows of one through another; None where no
            policy asked for it. Without a unit, so that every score is in the prediction's.
    """

    indices: Tensor
    prediction: Prediction
    log_weights: Tensor
    corrector: CorrectorName = "fkc"
    correlation: Tensor | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def merit(self) -> Tensor:
        """(M,), what greedy ranks by: w if clipped, else the predicted reward: resampled weights tie."""
        return self.log_weights if self.corrector in CLIPPED else self.prediction.mean

    def choice(self, position: int, reason: SelectionReason, propensity: float, score: float) -> Choice:
        """The candidate at `position` of these M."""
        return Choice(int(self.indices[position]), reason, propensity, score)


class Policy(Protocol):
    """Chooses k of the candidates, best first; all of them where there are fewer than k."""

    @property
    def looks_around(self) -> bool:
        """Whether it wants more candidates than the particles: of a catalogue the items around them too, and
        for a first slate more draws than it shows, of which it takes those that differ most."""

    @property
    def needs_correlation(self) -> bool:
        """Whether the candidates have to come with their correlation."""

    def __call__(
        self, candidates: Candidates, k: int, at: Round, generator: torch.Generator
    ) -> list[Choice]: ...

    def inclusion(self, candidates: Candidates, k: int, at: Round, generator: torch.Generator) -> Tensor:
        """(M,), float64: the probability of each to be among the k, in [0, 1], of sum min(k, M).

        The generator is for those that can only estimate it.
        """
