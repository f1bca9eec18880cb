"""The feedback ledger: every answer is accepted once, or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import redis

from apa import keys
from apa.errors import ApaError
from apa.records.feedback import Acknowledgement, Event, Feedback
from apa.store.connection import guarded, unavailable
from apa.store.lua import budget_keys, budget_script, text
from apa.store.many import outcomes
from apa.store.refusals import refusal
from apa.store.stored import loaded


class FeedbackLedger:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = budget_script(client, "record_feedback")

    @guarded
    def record(self, feedback: Feedback) -> Acknowledgement:
        """Accepts one answer: appended, counted, its particles and slates kept for good, its session due.

        The same feedback again gives the same acknowledgement, as a duplicate, also once the budget is spent.
        It is paid for by what the slate of its first particle reserves, and beyond that by what is free; a
        correction, and what takes the place of a default reward, cost nothing.

        Raises:
            NotFound: no such session; a particle that was never shown in it, or has expired; nothing that
                `supersedes` names.
            InvalidArgument: another kind than the session's, a rater whom it does not have, or a correction
                of something else.
            AlreadyExists: the feedback id has another payload, or the subject has another answer.
            FailedPrecondition: the budget is spent, or what is left is reserved by open slates; or what
                `supersedes` names was replaced before; or the session is closed.
        """
        result = _result(feedback, self._call(feedback, self._client))
        if isinstance(result, ApaError):
            raise result
        return result

    @guarded
    def record_many(self, batch: Sequence[Feedback]) -> list[Acknowledgement | ApaError]:
        """One result for each, in order, in one round trip; one that is refused does not touch the others."""
        return self._in_one_trip(batch, defaulted=False)

    def events(self, session_id: str, start: int = 0) -> list[Feedback]:
        """Accepted answers in order, without the first `start`; none for an unknown session."""
        return [event.feedback for event in self.log(session_id, start)]

    @guarded
    def log(self, session_id: str, start: int = 0) -> list[Event]:
        """The same as `events`, each with the time at which it was accepted."""
        return _events(session_id, self._client.lrange(keys.events(session_id), start, -1))

    @guarded
    def logs(self, session_ids: Sequence[str]) -> list[list[Event] | ApaError]:
        """`log` of each, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for session_id in session_ids:
            pipeline.lrange(keys.events(session_id), 0, -1)
        return outcomes(session_ids, pipeline.execute(raise_on_error=False), _events)

    @guarded
    def record_defaults(self, batch: Sequence[Feedback]) -> list[Acknowledgement | ApaError]:
        """Accepts default rewards, as `record_many` does answers, but for three things.

        Each is paid for by its slate's reservation or not at all; AlreadyExists where there is an answer by
        now; and a true answer that comes later takes its place at no cost.
        """
        return self._in_one_trip(batch, defaulted=True)

    def _in_one_trip(self, batch: Sequence[Feedback], *, defaulted: bool) -> list[Acknowledgement | ApaError]:
        pipeline = self._client.pipeline(transaction=False)
        for feedback in batch:
            self._call(feedback, pipeline, defaulted=defaulted)
        replies = pipeline.execute(raise_on_error=False)
        return [_result(feedback, reply) for feedback, reply in zip(batch, replies, strict=True)]

    def _call(self, feedback: Feedback, client: redis.Redis, *, defaulted: bool = False) -> object:
        session_id, answer = feedback.session_id, feedback.answer
        return self._script(
            keys=[
                *budget_keys(session_id),
                keys.receipts(session_id),
                keys.answered(session_id),
                keys.events(session_id),
                keys.due(keys.shard_of(session_id)),
                keys.passing_slates(session_id),
                *(keys.particle(session_id, particle_id) for particle_id in answer.particle_ids),
            ],
            args=[
                session_id,
                feedback.feedback_id,
                _digest(feedback),
                answer.kind,
                feedback.rater,
                feedback.subject,
                feedback.supersedes,
                answer.cost,
                int(defaulted),
                feedback.model_dump_json(),
                keys.slate(session_id, ""),
            ],
            client=client,
        )


def _events(_: str, raw: Sequence[bytes | str]) -> list[Event]:
    return [loaded(Event, event) for event in raw]


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
    return refusal(text(status), feedback, found)
