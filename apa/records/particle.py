"""A shown particle with its tensor, as the store keeps it until and after it is answered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Particle:
    """One shown particle.

    Attributes:
        x: (*data_shape), float32; for a catalogue the shown item's own vector.
    """

    particle_id: str
    slate_id: str
    x: NDArray[np.float32]
