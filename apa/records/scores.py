"""What a surrogate expects of candidates that a caller named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_CANDIDATES = 4096
"""Of one request."""


@dataclass(frozen=True)
class Scores:
    """The posterior of the reward of M candidates, in their order and in the user's units.

    Attributes:
        mean: (M,); of likes, their probability.
        std: (M,), of the mean, without the noise of an answer.
        surrogate_version: which surrogate says so.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    surrogate_version: str

    def __len__(self) -> int:
        return len(self.mean)
