"""The answers of one call: each is read, recorded and reported by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from apa.errors import ApaError
from apa.pb import feedback_pb2
from apa.records.feedback import Acknowledgement, Feedback
from apa.wire.feedback import FeedbackResult, feedback_from_pb, result_to_pb

Outcome = Acknowledgement | ApaError


def read(events: Iterable[feedback_pb2.FeedbackEvent]) -> list[Feedback | ApaError]:
    """Each event as a record, or why it is none."""
    return [_read_one(event, f"events[{index}]") for index, event in enumerate(events)]


def outcomes(given: Sequence[Feedback | ApaError], recorded: Iterable[Outcome]) -> list[Outcome]:
    """One outcome for each event: what the ledger said of those that could be read, in order."""
    ledger = iter(recorded)
    return [next(ledger) if isinstance(one, Feedback) else one for one in given]


def newly_accepted(given: Sequence[Feedback | ApaError], found: Sequence[Outcome]) -> set[str]:
    """The sessions that have an answer more than before."""
    return {
        one.session_id
        for one, outcome in zip(given, found, strict=True)
        if isinstance(one, Feedback) and isinstance(outcome, Acknowledgement) and not outcome.duplicate
    }


def results(
    events: Iterable[feedback_pb2.FeedbackEvent], found: Sequence[Outcome]
) -> list[feedback_pb2.FeedbackResult]:
    return [_result(event.feedback_id, outcome) for event, outcome in zip(events, found, strict=True)]


def kind(event: feedback_pb2.FeedbackEvent) -> str:
    """The kind of an event's answer as a metric's label; "none" where it has none."""
    return event.WhichOneof("answer") or "none"


def label(outcome: Outcome) -> str:
    """The outcome as a metric's label: accepted, duplicate, or the error's name, e.g. not_found."""
    if isinstance(outcome, Acknowledgement):
        return "duplicate" if outcome.duplicate else "accepted"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(outcome).__name__).lower()


def _read_one(event: feedback_pb2.FeedbackEvent, field: str) -> Feedback | ApaError:
    try:
        return feedback_from_pb(event, field=field)
    except ApaError as error:
        return error


def _result(feedback_id: str, outcome: Outcome) -> feedback_pb2.FeedbackResult:
    if isinstance(outcome, ApaError):
        return result_to_pb(FeedbackResult(feedback_id, error=outcome))
    return result_to_pb(FeedbackResult(feedback_id, acknowledgement=outcome))
