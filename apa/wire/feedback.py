"""Answers and what became of them, to and from protobuf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apa.errors import ApaError, InvalidArgument
from apa.pb import feedback_pb2
from apa.records.feedback import (
    ANSWERS,
    Acknowledgement,
    Answer,
    BinaryAnswer,
    Feedback,
    PairwiseAnswer,
    RankingAnswer,
    ScalarAnswer,
)
from apa.records.validation import validated
from apa.rpc.statuses import from_status, to_status


@dataclass(frozen=True)
class FeedbackResult:
    """One of the two: the acknowledgement of an accepted answer, or why it was refused."""

    feedback_id: str
    acknowledgement: Acknowledgement | None = None
    error: ApaError | None = None


def feedback_to_pb(feedback: Feedback) -> feedback_pb2.FeedbackEvent:
    return feedback_pb2.FeedbackEvent(
        feedback_id=feedback.feedback_id,
        session_id=feedback.session_id,
        rater=feedback.rater,
        supersedes=feedback.supersedes,
        **{feedback.answer.kind: _answer_to_pb(feedback.answer)},
    )


def feedback_from_pb(event: feedback_pb2.FeedbackEvent, *, field: str = "event") -> Feedback:
    """The answer of a message.

    Raises:
        InvalidArgument: an id is missing or malformed, there is no answer, the reward is not finite, or a
            particle is named twice.
    """
    given = {
        "feedback_id": event.feedback_id,
        "session_id": event.session_id,
        "answer": _answer_from_pb(event, field),
        "rater": event.rater,
        "supersedes": event.supersedes,
    }
    return validated(Feedback, given, field=field)


def _answer_to_pb(answer: Answer) -> Any:
    match answer:
        case ScalarAnswer():
            return feedback_pb2.ScalarAnswer(particle_id=answer.particle_id, reward=answer.reward)
        case BinaryAnswer():
            return feedback_pb2.BinaryAnswer(particle_id=answer.particle_id, liked=answer.liked)
        case PairwiseAnswer():
            return feedback_pb2.PairwiseAnswer(
                preferred_particle_id=answer.preferred, other_particle_id=answer.other
            )
        case RankingAnswer():
            return feedback_pb2.RankingAnswer(particle_ids=answer.particle_ids)


def _answer_from_pb(event: feedback_pb2.FeedbackEvent, field: str) -> Answer:
    given: dict[str, Any]
    match event.WhichOneof("answer"):
        case "scalar" as kind:
            given = {"particle_id": event.scalar.particle_id, "reward": event.scalar.reward}
        case "binary" as kind:
            given = {"particle_id": event.binary.particle_id, "liked": event.binary.liked}
        case "pairwise" as kind:
            pair = event.pairwise
            given = {"preferred": pair.preferred_particle_id, "other": pair.other_particle_id}
        case "ranking" as kind:
            given = {"particle_ids": tuple(event.ranking.particle_ids)}
        case _:
            raise InvalidArgument(
                "there is no answer", field=f"{field}.answer", expected="one of " + ", ".join(ANSWERS)
            )
    return validated(ANSWERS[kind], given, field=f"{field}.answer")


def result_to_pb(result: FeedbackResult) -> feedback_pb2.FeedbackResult:
    if result.error is not None:
        return feedback_pb2.FeedbackResult(feedback_id=result.feedback_id, error=to_status(result.error))
    accepted = result.acknowledgement
    assert accepted is not None
    return feedback_pb2.FeedbackResult(
        feedback_id=accepted.feedback_id,
        sequence=accepted.sequence,
        duplicate=accepted.duplicate,
        spent=accepted.spent,
        remaining=accepted.remaining,
    )


def result_from_pb(result: feedback_pb2.FeedbackResult) -> FeedbackResult:
    if result.HasField("error"):
        return FeedbackResult(result.feedback_id, error=from_status(result.error))
    given = {
        "feedback_id": result.feedback_id,
        "sequence": result.sequence,
        "duplicate": result.duplicate,
        "spent": result.spent,
        "remaining": result.remaining,
    }
    return FeedbackResult(result.feedback_id, validated(Acknowledgement, given, field="result"))
