"""Answers and what became of them, to and from protobuf."""

from __future__ import annotations

from dataclasses import dataclass

from apa.errors import ApaError, InvalidArgument
from apa.pb import feedback_pb2
from apa.records.feedback import Acknowledgement, Feedback
from apa.records.validation import validated
from apa.rpc.statuses import from_status, to_status


@dataclass(frozen=True)
class FeedbackResult:
    """One of the two: the acknowledgement of an accepted answer, or why it was refused."""

    feedback_id: str
    acknowledgement: Acknowledgement | None = None
    error: ApaError | None = None


def feedback_to_pb(feedback: Feedback) -> feedback_pb2.FeedbackEvent:
    answer = feedback.answer
    return feedback_pb2.FeedbackEvent(
        feedback_id=feedback.feedback_id,
        session_id=feedback.session_id,
        scalar=feedback_pb2.ScalarAnswer(particle_id=answer.particle_id, reward=answer.reward),
    )


def feedback_from_pb(event: feedback_pb2.FeedbackEvent, *, field: str = "event") -> Feedback:
    """The answer of a message.

    Raises:
        InvalidArgument: an id is missing or malformed, there is no answer, or the reward is not finite.
    """
    if event.WhichOneof("answer") != "scalar":
        raise InvalidArgument("there is no answer", field=f"{field}.scalar", expected="a scalar answer")
    answer = {"particle_id": event.scalar.particle_id, "reward": event.scalar.reward}
    given = {"feedback_id": event.feedback_id, "session_id": event.session_id, "answer": answer}
    return validated(Feedback, given, field=field)


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
