"""The unsteered control: what the prior alone would have shown, and the best that it holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Control:
    """Figures of one taste over items of the unsteered prior.

    Attributes:
        mean: mean true reward of an item.
        attainable: mean true reward of the best k of them.
    """

    mean: float
    attainable: float

    @property
    def target(self) -> float:
        """What the last rounds of a session should reach: four times the control, or nearly all there is."""
        return min(4.0 * self.mean, 0.9 * self.attainable)


def control(rewards: NDArray[np.float64], k: int) -> Control:
    """The control of one taste from the true rewards (M,) of M items of the prior, M >= k."""
    return Control(mean=float(rewards.mean()), attainable=float(np.sort(rewards)[-k:].mean()))
