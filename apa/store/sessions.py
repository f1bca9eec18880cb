"""Sessions: their records and their running totals."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from apa import keys
from apa.errors import AlreadyExists, ApaError
from apa.records.feedback import OLDEST_KIND
from apa.records.session import Ledger, Session, SessionConfig
from apa.store import session_pages
from apa.store.connection import guarded
from apa.store.lua import budget_keys, budget_script, script, text
from apa.store.many import outcomes
from apa.store.stored import loaded, unknown_session


class SessionStore:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._create = script(client, "create_session")
        self._mark_due = script(client, "mark_due")
        self._ledger = budget_script(client, "read_ledger")
        self._close = budget_script(client, "close_session")

    @guarded
    def create(self, session: Session) -> Session:
        """Stores the session. The same id with the same contents gives the one stored before.

        One that begins from a cohort is due at once.

        Raises:
            AlreadyExists: the id is taken by a session with other contents.
        """
        session_id = session.session_id
        raw = self._create(
            keys=[
                keys.session(session_id),
                keys.ledger(session_id),
                keys.sessions(keys.shard_of(session_id)),
            ],
            args=[
                session.model_dump_json(),
                session.config.budget,
                session_pages.member(session),
                *_asked(session.config),
            ],
        )
        stored = loaded(Session, raw)
        if _contents(stored) != _contents(session):
            raise AlreadyExists(
                "the session exists with other contents",
                field="session_id",
                expected="an id that is free, or the stored session's contents",
                found=session_id,
            )
        if stored.config.cohort:
            # What the cohort taught steers the first slate; the same call again marks it again.
            shard = keys.due(keys.shard_of(session_id))
            self._mark_due(keys=[shard, keys.session(session_id)], args=[session_id])
        return stored

    @guarded
    def get(self, session_id: str) -> Session:
        """Raises NotFound."""
        return _read(session_id, self._client.get(keys.session(session_id)))

    @guarded
    def get_many(self, session_ids: Sequence[str]) -> list[Session | ApaError]:
        """`get` of each, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for session_id in session_ids:
            pipeline.get(keys.session(session_id))
        return outcomes(session_ids, pipeline.execute(raise_on_error=False), _read)

    @guarded
    def close(self, session_id: str) -> None:
        """Ends the session: no more slates, no more answers; what is reserved is given back.

        Harmless when repeated. Raises NotFound.
        """
        (status,) = self._close(
            keys=budget_keys(session_id),
            args=[keys.request(session_id, ""), keys.request_arguments(session_id, "")],
        )
        if text(status) == "unknown_session":
            raise unknown_session(session_id)

    @guarded
    def ledger(self, session_id: str) -> Ledger:
        """The running totals at one instant, without what expired slates reserved. Raises NotFound."""
        totals = ledger_of(self._ledger(keys=budget_keys(session_id)))
        if totals is None:
            raise unknown_session(session_id)
        return totals

    @guarded
    def page(
        self, tenant: str = "", user_id: str = "", page_size: int = 100, page_token: str = ""
    ) -> tuple[list[Session], str]:
        """A page of the sessions of a tenant, a user or all, and the token of the next page ("": none).

        Raises:
            InvalidArgument: a page size outside 1 to 1000, or a token that no page gave.
        """
        members, next_token = session_pages.page(self._client, tenant, user_id, page_size, page_token)
        pipeline = self._client.pipeline(transaction=False)
        for found in members:
            pipeline.get(keys.session(session_pages.session_id_of(found)))
        return [loaded(Session, raw) for raw in pipeline.execute() if raw is not None], next_token


def ledger_of(reply: list[bytes | int]) -> Ledger | None:
    """What `read_ledger.lua` answered; None when it knows no such session."""
    if reply[0] == b"unknown_session":
        return None
    spent, reserved, round_index, num_events, closed_ms = map(int, reply[1:])
    return Ledger(
        spent=spent,
        reserved=reserved,
        round_index=round_index,
        num_events=num_events,
        closed_at=closed_ms / 1000 if closed_ms else None,
    )


def _asked(config: SessionConfig) -> list[str]:
    """What the ledger checks each answer by, as names and values. None for what the first release knew."""
    kind = [] if config.feedback_kind == OLDEST_KIND else ["kind", config.feedback_kind]
    # No name holds a space: each is found between two of them.
    return kind + (["raters", f" {' '.join(config.raters)} "] if config.raters else [])


def _read(session_id: str, raw: bytes | str | None) -> Session:
    if raw is None:
        raise unknown_session(session_id)
    return loaded(Session, raw)


def _contents(session: Session) -> dict[str, object]:
    return session.model_dump(exclude={"created_at", "schema_version"})
