"""Why the ledger refused an answer, as an error: one for each status of `record_feedback.lua`."""

from __future__ import annotations

from collections.abc import Sequence

from apa.errors import AlreadyExists, ApaError, FailedPrecondition, InvalidArgument, NotFound
from apa.records.feedback import Feedback
from apa.store.lua import text
from apa.store.stored import closed_session, unknown_session


def refusal(status: str, feedback: Feedback, found: Sequence[bytes | int]) -> ApaError:
    """The error of a status; `found`: what the script said beside it."""
    match status:
        case "unknown_session":
            return unknown_session(feedback.session_id)
        case "unknown_particle":
            return NotFound(
                "no such particle, or it has expired",
                field="particle_id",
                expected="a particle that was shown in this session",
                found=feedback.answer.particle_ids[int(found[0])],
            )
        case "other_kind" | "unknown_rater":
            return _not_asked(status, feedback, text(bytes(found[0])))
        case "unknown_answer" | "superseded" | "other_subject":
            return _no_correction(status, feedback, found)
        case "answered" | "changed" | "other_payload":
            return _recorded_before(status, feedback, found)
        case "closed":
            return closed_session(feedback.session_id, int(found[0]) / 1000)
        case "no_budget":
            spent, reserved, budget = map(int, found)
            return FailedPrecondition(
                "no budget is left for this answer",
                field="budget",
                expected="an answer that an open slate asks for, or budget that nothing reserves",
                found=f"{spent} spent and {reserved} reserved of {budget}",
            )
        case _:
            raise AssertionError(f"record_feedback.lua answered {status}")


def _not_asked(status: str, feedback: Feedback, asked: str) -> InvalidArgument:
    if status == "other_kind":
        return InvalidArgument(
            "the session takes another kind of answers",
            field="answer",
            expected=asked,
            found=feedback.answer.kind,
        )
    return InvalidArgument(
        "no such rater in this session",
        field="rater",
        expected=f"one of {', '.join(asked.split())}" if asked else "none: the session has no raters",
        found=feedback.rater or "none",
    )


def _no_correction(status: str, feedback: Feedback, found: Sequence[bytes | int]) -> ApaError:
    if status == "unknown_answer":
        return NotFound(
            "there is no such answer to correct",
            field="supersedes",
            expected="the feedback id of an answer of this session",
            found=feedback.supersedes,
        )
    if status == "superseded":
        return FailedPrecondition(
            "the answer was corrected before",
            field="supersedes",
            expected="the feedback id of the answer that holds now",
            found=f"{feedback.supersedes}, replaced by {text(bytes(found[0]))}",
        )
    return InvalidArgument(
        "a correction is about the same particles, by the same rater",
        field="supersedes",
        expected=f"an answer about {_about(feedback)}",
        found=feedback.supersedes,
    )


def _recorded_before(status: str, feedback: Feedback, found: Sequence[bytes | int]) -> AlreadyExists:
    if status == "answered":
        answer = text(bytes(found[0]))
        return AlreadyExists(
            "there is an answer already",
            field="particle_id",
            expected=f"what has no answer, or a correction that supersedes {answer}",
            found=f"{_about(feedback)}, answered by {answer}",
        )
    if status == "changed":
        return AlreadyExists(
            "an answer that is recorded cannot be changed under its id",
            field="particle_id",
            expected=f"the recorded answer again, or another id that supersedes {feedback.feedback_id}",
            found=f"another answer for {_about(feedback)}",
        )
    return AlreadyExists(
        "the feedback id was used for another answer",
        field="feedback_id",
        expected="a new id, or the recorded answer again",
        found=feedback.feedback_id,
    )


def _about(feedback: Feedback) -> str:
    """What is answered, in words."""
    about = ", ".join(feedback.answer.particle_ids)
    return f"{about} by {feedback.rater}" if feedback.rater else about
