from __future__ import annotations

import numpy as np
import pytest

from apa.errors import DataLoss
from apa.records.feedback import Feedback, ScalarAnswer
from apa.records.particle import Particle
from trainer_worker.dataset import dataset, particle_ids


def _event(particle_id: str, reward: float, number: int = 0) -> Feedback:
    answer = ScalarAnswer(particle_id=particle_id, reward=reward)
    return Feedback(feedback_id=f"f-{particle_id}-{number}", session_id="s1", answer=answer)


def _particle(particle_id: str, *values: float) -> Particle:
    return Particle(particle_id, "slate", np.array(values, np.float32))


def test_rows_follow_the_order_of_the_answers_not_of_the_particles() -> None:
    data = dataset([_event("b", 2.0), _event("a", 1.0)], [_particle("a", 1, 1), _particle("b", 2, 2)], (2,))
    assert data.x.tolist() == [[2, 2], [1, 1]]
    assert data.rewards.tolist() == [2.0, 1.0]


def test_two_answers_to_one_particle_are_two_rows_of_one_read() -> None:
    events = [_event("a", 1.0, 1), _event("a", 3.0, 2)]
    assert particle_ids(events) == ["a"]
    assert dataset(events, [_particle("a", 1, 1)], (2,)).rewards.tolist() == [1.0, 3.0]


def test_no_answers_are_an_empty_dataset() -> None:
    data = dataset([], [], (1, 28, 28))
    assert data.x.shape == (0, 1, 28, 28)
    assert data.rewards.shape == (0,)


@pytest.mark.parametrize(
    ("particles", "found"),
    [
        ([], "none"),
        ([_particle("a", 1, 2, 3)], "(3,)"),
        ([_particle("a", 1, float("nan"))], "NaN or infinity"),
    ],
)
def test_what_cannot_be_trained_on_is_named(particles: list[Particle], found: str) -> None:
    with pytest.raises(DataLoss, match="answered particle a ") as caught:
        dataset([_event("a", 1.0)], particles, (2,))
    assert caught.value.found == found
