"""Sessions as callers see them: record, totals, surrogate and failure, many in one round trip."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from apa import keys
from apa.records.session import RefitFailure, Session, SurrogateVersion
from apa.records.shown import SessionView
from apa.store.connection import guarded
from apa.store.lua import budget_keys, budget_script, text
from apa.store.sessions import ledger_of
from apa.store.stored import loaded


class SessionViews:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._ledger = budget_script(client, "read_ledger")

    @guarded
    def of(self, sessions: Sequence[Session]) -> list[SessionView]:
        """A view of each stored session, in order; one that is gone by now is left out."""
        pipeline = self._client.pipeline(transaction=False)
        for session in sessions:
            self._ledger(keys=budget_keys(session.session_id), client=pipeline)
            pipeline.hmget(keys.surrogate_pointer(session.session_id), ["record", "pinned"])
            pipeline.get(keys.refit_failure(session.session_id))
        replies = pipeline.execute()
        rows = zip(sessions, replies[::3], replies[1::3], replies[2::3], strict=True)
        return [view for row in rows if (view := _view(*row)) is not None]


def _view(
    session: Session, totals: list[bytes | int], surrogate: list[bytes | None], failure: bytes | None
) -> SessionView | None:
    ledger = ledger_of(totals)
    if ledger is None:
        return None
    newest, pinned = surrogate
    return SessionView(
        session,
        ledger,
        None if newest is None else loaded(SurrogateVersion, newest),
        None if failure is None else loaded(RefitFailure, failure),
        text(pinned or ""),
    )
