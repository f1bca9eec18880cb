"""From accepted answers and shown particles to observations. Nothing is left out silently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from apa.errors import DataLoss
from apa.records.aggregation import TOGETHER
from apa.records.feedback import Answer, Feedback
from apa.records.particle import Particle
from apa.records.session import AggregationName, FeedbackKindName, SessionConfig
from trainer_worker.observations import Observations


def current(answers: Iterable[Feedback]) -> list[Feedback]:
    """The answers that hold, in order: the last of each subject, which has replaced those before it.

    Only a correction, or an answer that comes after its default reward, can be a second of one subject.
    """
    last: dict[str, Feedback] = {}
    for answer in answers:
        last.pop(answer.subject, None)
        last[answer.subject] = answer
    return list(last.values())


def particle_ids(answers: Iterable[Feedback]) -> list[str]:
    """The particles to read for a dataset, each once, in the order in which they are first named."""
    return list(dict.fromkeys(name for one in current(answers) for name in one.answer.particle_ids))


def dataset(
    answers: Sequence[Feedback],
    particles: Sequence[Particle],
    data_shape: tuple[int, ...],
    config: SessionConfig,
) -> Observations:
    """What the answers that hold say: of each item they name, one row of x.

    Rewards of several raters become one for each item, by the session's aggregation. So does what they like,
    but for "mean": there each rater's answer stays an observation of its own, which a likelihood averages.
    Comparisons and rankings are taken together, whoever made them.

    Raises:
        DataLoss: an answered particle is missing, not finite, or of another shape than the prior's items; or
            an answer is of another kind than the session's.
    """
    holding = current(answers)
    names = particle_ids(holding)
    by_id = {particle.particle_id: particle.x for particle in particles}
    x = [_checked(name, by_id, data_shape) for name in names]
    row_of = {name: row for row, name in enumerate(names)}
    said = _said(holding, row_of, config.feedback_kind, config.aggregation)
    return Observations(
        torch.from_numpy(np.stack(x) if x else np.zeros((0, *data_shape), np.float32)),
        config.feedback_kind,
        tuple(rows for rows, _ in said),
        torch.tensor([value for _, value in said], dtype=torch.float64),
    )


def unseen(observations: Observations, answers: Sequence[Feedback], num_seen: int) -> Tensor:
    """(A,), bool: which observations say what was not known after the first `num_seen` answers.

    Of an item that had been answered about before, whoever did, no reward and no like is news.

    Args:
        observations: the dataset of the answers.
    """
    before = answers[:num_seen]
    if observations.kind in ("scalar", "binary"):
        known = {name for one in before for name in one.answer.particle_ids}
        names = particle_ids(answers)
        new = [names[rows[0]] not in known for rows in observations.rows]
    else:
        subjects = {one.subject for one in before}
        new = [one.subject not in subjects for one in current(answers)]
    return torch.tensor(new, dtype=torch.bool)


_Said = tuple[tuple[int, ...], float]
"""Rows of x, and the value of what is said of them."""


def _said(
    holding: Sequence[Feedback],
    row_of: dict[str, int],
    kind: FeedbackKindName,
    aggregation: AggregationName,
) -> list[_Said]:
    each = [
        (tuple(row_of[name] for name in one.answer.particle_ids), _value(one.answer, kind)) for one in holding
    ]
    if kind == "scalar" or (kind == "binary" and aggregation != "mean"):
        return _aggregated(each, aggregation)
    return each


def _aggregated(each: Sequence[_Said], aggregation: AggregationName) -> list[_Said]:
    """One value for each item, over those who said something of it."""
    by_item: dict[tuple[int, ...], list[float]] = {}
    for rows, value in each:
        by_item.setdefault(rows, []).append(value)
    return [(rows, TOGETHER[aggregation](values)) for rows, values in by_item.items()]


def _value(answer: Answer, kind: FeedbackKindName) -> float:
    if answer.kind != kind:
        raise DataLoss("an answer is of another kind", field="answer", expected=kind, found=answer.kind)
    match answer.kind:
        case "scalar":
            return answer.reward
        case "binary":
            return float(answer.liked)
        case _:
            return 0.0


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
    return x.astype(np.float32)


def _damaged(particle_id: str, expected: str, found: str) -> DataLoss:
    return DataLoss(
        f"answered particle {particle_id} cannot be trained on",
        field="particle_id",
        expected=expected,
        found=found,
    )
