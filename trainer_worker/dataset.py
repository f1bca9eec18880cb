"""From accepted answers and shown particles to arrays. Nothing is left out silently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apa.errors import DataLoss
from apa.records.feedback import Feedback
from apa.records.particle import Particle


@dataclass(frozen=True)
class Dataset:
    """M observations, in the order in which they were accepted.

    Attributes:
        x: (M, *data_shape), float32.
        rewards: (M,), float64, in the user's units.
    """

    x: NDArray[np.float32]
    rewards: NDArray[np.float64]


def particle_ids(events: Sequence[Feedback]) -> list[str]:
    """The particles to read for a dataset, each once."""
    return list(dict.fromkeys(event.answer.particle_id for event in events))


def dataset(
    events: Sequence[Feedback], particles: Sequence[Particle], data_shape: tuple[int, ...]
) -> Dataset:
    """One row for each answer.

    Raises:
        DataLoss: an answered particle is missing, not finite, or of another shape than the prior's items.
    """
    by_id = {particle.particle_id: particle.x for particle in particles}
    rows = [_checked(event.answer.particle_id, by_id, data_shape) for event in events]
    x = np.stack(rows) if rows else np.zeros((0, *data_shape), np.float32)
    return Dataset(x.astype(np.float32), np.array([event.answer.reward for event in events], np.float64))


def _checked(
    particle_id: str, by_id: dict[str, NDArray[np.float32]], data_shape: tuple[int, ...]
) -> NDArray[np.float32]:
    x = by_id.get(particle_id)
    if x is None:
        raise _damaged(particle_id, "a stored tensor", "none")
    if x.shape != data_shape:
        raise _damaged(particle_id, f"shape {data_shape}", str(x.shape))
    if not np.isfinite(x).all():
        raise _damaged(particle_id, "finite values", "NaN or infinity")
    return x


def _damaged(particle_id: str, expected: str, found: str) -> DataLoss:
    return DataLoss(
        f"answered particle {particle_id} cannot be trained on",
        field="particle_id",
        expected=expected,
        found=found,
    )
