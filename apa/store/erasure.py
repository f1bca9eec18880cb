"""Removing all that is kept of a user."""

from __future__ import annotations

import redis

from apa import keys
from apa.records.erased import Erased
from apa.records.ids import check_text
from apa.store import session_pages
from apa.store.connection import guarded
from apa.store.lua import script


class Erasure:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._erase = script(client, "erase_session")

    @guarded
    def user(self, tenant: str, user_id: str) -> Erased:
        """Removes every session of the user and all that belongs to it, a session in one step.

        Whatever is under way for one of them writes nothing any more. Repeated, it removes what came since;
        an unknown user has nothing.

        Raises:
            InvalidArgument: the tenant or the user is empty: that would stand for all of them.
        """
        check_text(tenant, field="tenant")
        check_text(user_id, field="user_id")
        erased = Erased()
        # The first page again and again: what was removed is on it no longer.
        while members := session_pages.page(self._client, tenant, user_id, session_pages.MAX_PAGE_SIZE, "")[
            0
        ]:
            for member in members:
                erased += self._session(member)
        return erased

    @guarded
    def rewrite_log(self) -> bool:
        """Has the server write its append-only file anew, from what there is now.

        False when it does not: it is at it already, from what there was before, or this client may not ask.
        """
        try:
            return bool(self._client.bgrewriteaof())
        except redis.ResponseError:
            return False

    def _session(self, member: str) -> Erased:
        session_id = session_pages.session_id_of(member)
        shard = keys.shard_of(session_id)
        sessions, events, slates, particles, surrogates, shares = self._erase(
            keys=[
                keys.sessions(shard),
                keys.due(shard),
                keys.waiting(shard),
                *keys.all_of(session_id),
            ],
            args=[
                session_id,
                member,
                keys.slate(session_id, ""),
                keys.particle(session_id, ""),
                keys.request(session_id, ""),
                keys.request_arguments(session_id, ""),
                keys.surrogate_blob(session_id, ""),
            ],
        )
        return Erased(sessions, events, slates, particles, surrogates, shares)
