"""Whether a surrogate is over-optimised, and how much less it may steer if it is.

What steering finds is what the surrogate overrates, unless it knows how little it knows. Then the items that
it had shown are worth less than it said: the gap, predicted less true reward. A gap that chance does not
explain lowers beta, and beta recovers once it has closed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from apa.records.session import RefitQuality
from trainer_worker.foreseen import Foreseen

BEYOND_CHANCE = 3.0
"""Standard errors up to which a gap is chance: in 98% of sessions a right surrogate never loses beta."""
LOOKED_BACK = 8
"""Answers, at least, that the gap is taken of: refits after every single answer are looked at together."""
_RECOVERED = 0.97


class Gap(NamedTuple):
    """Predicted less true reward, in standard deviations of the reward, and its standard error."""

    mean: float
    error: float


def refit_quality(found: Foreseen, before: Sequence[RefitQuality]) -> RefitQuality:
    """The quality of a refit.

    Args:
        found: how the surrogate before it had foreseen the answers that came since.
        before: the qualities of the surrogates before, newest first.
    """
    previous = before[0].beta_factor if before else 1.0
    if len(found) == 0:
        return RefitQuality(beta_factor=previous)
    gap = gap_of(found)
    quality = RefitQuality(
        num_answers=len(found), coverage=float(found.covered.mean()), gap=gap.mean, gap_error=gap.error
    )
    factor = beta_factor(pooled([quality, *before]), previous)
    return quality.model_copy(update={"beta_factor": factor})


def gap_of(found: Foreseen) -> Gap:
    """The mean error of n answers, n at least 1, and how far chance alone would carry it.

    The larger of two standard errors: that of the surrogate's own doubts, and that of the errors themselves.
    """
    count = len(found)
    expected = float(found.covariance.sum()) / count**2
    seen = float(found.error.var(correction=1)) / count if count > 1 else 0.0
    return Gap(float(found.error.mean()), math.sqrt(max(expected, seen)))


def pooled(newest_first: Sequence[RefitQuality]) -> Gap:
    """The gap of the newest qualities that have enough answers together, each weighed by its precision."""
    precision = weighted = 0.0
    answers = 0
    for quality in newest_first:
        if answers >= LOOKED_BACK:
            break
        if quality.num_answers:
            weight = 1.0 / max(quality.gap_error, 1e-6) ** 2
            precision, weighted = precision + weight, weighted + weight * quality.gap
            answers += quality.num_answers
    return Gap(weighted / precision, math.sqrt(1.0 / precision))


def beta_factor(gap: Gap, previous: float) -> float:
    """What beta is multiplied with: 1 / (1 + gap) where the gap is beyond chance, 1 where it is not.

    It falls at once, and recovers by half of the way, in its logarithm, at each refit.
    """
    target = 1.0 / (1.0 + gap.mean) if gap.mean > BEYOND_CHANCE * gap.error else 1.0
    if target < previous:
        return target
    recovered = math.sqrt(target * previous)
    return 1.0 if recovered >= _RECOVERED else recovered
