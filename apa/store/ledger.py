"""The feedback ledger: every answer is accepted once, or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import redis

from apa import keys
from apa.errors import AlreadyExists, ApaError, FailedPrecondition, NotFound
from apa.records.feedback import Acknowledgement, Event, Feedback
from apa.store.connection import guarded, unavailable
from apa.store.lua import budget_keys, budget_script, text
from apa.store.stored import closed_session, loaded, unknown_session


class FeedbackLedger:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = budget_script(client, "record_feedback")

    @guarded
    def record(self, feedback: Feedback) -> Acknowledgement:
        """Accepts one answer: appended, counted, its particle and slate kept for good, its session due.

        The same feedback again gives the same acknowledgement, as a duplicate, also once the budget is spent.

        Raises:
            NotFound: no such session; a particle that was never shown in it, or has expired.
            AlreadyExists: the feedback id has another payload, or the particle has another answer.
            FailedPrecondition: the budget is spent, or what is left is reserved by open slates; the session
                is closed.
        """
        result = _result(feedback, self._call(feedback, self._client))
        if isinstance(result, ApaError):
            raise result
        return result

    @guarded
    def record_many(self, batch: Sequence[Feedback]) -> list[Acknowledgement | ApaError]:
        """One result for each, in order, in one round trip; one that is refused does not touch the others."""
        pipeline = self._client.pipeline(transaction=False)
        for feedback in batch:
            self._call(feedback, pipeline)
        replies = pipeline.execute(raise_on_error=False)
        return [_result(feedback, reply) for feedback, reply in zip(batch, replies, strict=True)]

    def events(self, session_id: str, start: int = 0) -> list[Feedback]:
        """Accepted answers in order, without the first `start`; none for an unknown session."""
        return [event.feedback for event in self.log(session_id, start)]

    @guarded
    def log(self, session_id: str, start: int = 0) -> list[Event]:
        """The same as `events`, each with the time at which it was accepted."""
        raw = self._client.lrange(keys.events(session_id), start, -1)
        return [loaded(Event, event) for event in raw]

    def _call(self, feedback: Feedback, client: redis.Redis) -> object:
        session_id, particle_id = feedback.session_id, feedback.answer.particle_id
        return self._script(
            keys=[
                *budget_keys(session_id),
                keys.receipts(session_id),
                keys.answered(session_id),
                keys.events(session_id),
                keys.particle(session_id, particle_id),
                keys.due(keys.shard_of(session_id)),
                keys.passing_slates(session_id),
            ],
            args=[
                session_id,
                feedback.feedback_id,
                _digest(feedback),
                particle_id,
                feedback.model_dump_json(),
                keys.slate(session_id, ""),
            ],
            client=client,
        )


def _digest(feedback: Feedback) -> str:
    # Without defaults: a field that a later release adds must not change what an older one recorded.
    contents = feedback.model_dump(mode="json", exclude={"schema_version"}, exclude_defaults=True)
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def _result(feedback: Feedback, reply: object) -> Acknowledgement | ApaError:
    if isinstance(reply, redis.RedisError):
        return unavailable(reply)
    assert isinstance(reply, list)
    status, *found = reply
    if text(status) == "ok":
        sequence, duplicate, spent, remaining = found
        return Acknowledgement(
            feedback_id=feedback.feedback_id,
            sequence=sequence,
            duplicate=bool(duplicate),
            spent=spent,
            remaining=remaining,
        )
    return _refusal(text(status), feedback, found)


def _refusal(status: str, feedback: Feedback, found: list[bytes]) -> ApaError:
    particle_id = feedback.answer.particle_id
    match status:
        case "unknown_session":
            return unknown_session(feedback.session_id)
        case "unknown_particle":
            return NotFound(
                "no such particle, or it has expired",
                field="particle_id",
                expected="a particle that was shown in this session",
                found=particle_id,
            )
        case "answered":
            return AlreadyExists(
                "the particle has an answer already",
                field="particle_id",
                expected="a particle without an answer",
                found=f"{particle_id}, answered by {text(found[0])}",
            )
        case "changed":
            return AlreadyExists(
                "an answer that is recorded cannot be changed",
                field="particle_id",
                expected="the recorded answer again",
                found=f"another answer for {particle_id}",
            )
        case "other_payload":
            return AlreadyExists(
                "the feedback id was used for another answer",
                field="feedback_id",
                expected="a new id, or the recorded answer again",
                found=feedback.feedback_id,
            )
        case "closed":
            return closed_session(feedback.session_id, int(found[0]) / 1000)
        case _:
            spent, reserved, budget = map(int, found)
            return FailedPrecondition(
                "no budget is left for this answer",
                field="budget",
                expected="an answer that an open slate asks for, or budget that nothing reserves",
                found=f"{spent} spent and {reserved} reserved of {budget}",
            )
