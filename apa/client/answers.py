"""What a caller answers, as feedback with ids.

The ids follow from what is answered, so that answering again the same is harmless, also for a caller that
starts over without knowing what had arrived.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

import numpy as np

from apa.errors import InvalidArgument
from apa.records.feedback import (
    Answer,
    BinaryAnswer,
    Feedback,
    PairwiseAnswer,
    RankingAnswer,
    ScalarAnswer,
    subject_of,
)
from apa.records.validation import validated

Answers = Mapping[str, float | bool] | Sequence[Answer | Feedback]
"""Rewards, or whether they are liked, by particle id; or answers of any kind; or whole `Feedback` with ids of
the caller's own."""
Supersedes = str | Sequence[str] | None
"""Feedback ids of the answers that are corrected, one for each answer, in order."""

NAMES = uuid.UUID("5d2cf5c4-8f0c-5b5e-9a3b-6c1f0c2f5a11")
"""Name space of the feedback ids that are made here."""


def feedback_of(
    session_id: str, answers: Answers, rater: str = "", supersedes: Supersedes = None
) -> list[Feedback]:
    """Raises InvalidArgument for an empty id, a reward that is not finite, or what is no answer."""
    given = _given(answers)
    replaced = _replaced(supersedes, len(given))
    if any(isinstance(one, Feedback) for one in given) and (rater or supersedes):
        raise InvalidArgument(
            "a Feedback says itself who answers, and what it supersedes",
            field="rater" if rater else "supersedes",
            expected="nothing beside a Feedback",
            found=repr(rater or supersedes)[:120],
        )
    return [
        one if isinstance(one, Feedback) else _feedback(session_id, one, rater, before)
        for one, before in zip(given, replaced, strict=True)
    ]


def feedback_id_of(session_id: str, answer: Answer, rater: str = "", supersedes: str = "") -> str:
    """The id of an answer. One that corrects another has an id of its own: it follows from the other's."""
    corrects = f"\x1e{supersedes}" if supersedes else ""
    return uuid.uuid5(NAMES, f"{session_id}/{subject_of(answer, rater)}{corrects}").hex


def _feedback(session_id: str, answer: Answer, rater: str, supersedes: str) -> Feedback:
    given = {
        "feedback_id": feedback_id_of(session_id, answer, rater, supersedes),
        "session_id": session_id,
        "answer": answer,
        "rater": rater,
        "supersedes": supersedes,
    }
    return validated(Feedback, given)


def _given(answers: Answers) -> list[Answer | Feedback]:
    if isinstance(answers, Mapping):
        return [_valued(particle_id, value) for particle_id, value in answers.items()]
    kinds = (ScalarAnswer, BinaryAnswer, PairwiseAnswer, RankingAnswer, Feedback)
    if isinstance(answers, Sequence) and all(isinstance(one, kinds) for one in answers):
        return list(answers)
    raise InvalidArgument(
        "these are no answers",
        field="answers",
        expected="rewards or True and False by particle id, or a list of answers or of Feedback",
        found=repr(answers)[:120],
    )


def _valued(particle_id: str, value: float | bool) -> Answer:
    if isinstance(value, bool | np.bool_):
        return validated(BinaryAnswer, {"particle_id": particle_id, "liked": bool(value)}, field="answer")
    return validated(ScalarAnswer, {"particle_id": particle_id, "reward": value}, field="answer")


def _replaced(supersedes: Supersedes, count: int) -> list[str]:
    if supersedes is None:
        return [""] * count
    names = [supersedes] if isinstance(supersedes, str) else list(supersedes)
    if len(names) != count or not all(isinstance(name, str) and name for name in names):
        raise InvalidArgument(
            "which answers are corrected is not clear",
            field="supersedes",
            expected=f"{count} feedback ids, one for each answer in order",
            found=repr(supersedes)[:120],
        )
    return names
