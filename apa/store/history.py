"""Everything that is kept of a session, read page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count
from typing import Any

import numpy as np
import redis
from numpy.typing import NDArray

from apa import keys
from apa.records.feedback import Event
from apa.records.history import HistoryRecord, PastItem, PastSlate, RecordedFeedback
from apa.records.slate import Slate
from apa.store import particles
from apa.store.connection import guarded
from apa.store.lua import text
from apa.store.sessions import SessionStore
from apa.store.stored import loaded, unknown_session
from apa.store.surrogates import SurrogateStore
from apa.store.views import SessionViews

EVENTS_PER_PAGE = 1000
SLATES_PER_PAGE = 100


class History:
    """Reads a session. Of what is written meanwhile some may be in it, but no answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._sessions = SessionStore(client)
        self._views = SessionViews(client)
        self._surrogates = SurrogateStore(client)

    def records(self, session_id: str) -> Iterator[HistoryRecord]:
        """The session, its slates by creation, its answers in order, its surrogates, newest first.

        Raises, while it is read:
            NotFound: no such session, or it was deleted meanwhile.
        """
        views = self._views.of([self._sessions.get(session_id)])
        if not views:
            raise unknown_session(session_id)
        yield views[0]
        num_events = views[0].ledger.num_events
        yield from self._slates(session_id, num_events)
        yield from self._answers(session_id, num_events)
        yield from self._surrogates.versions(session_id)

    def _answers(self, session_id: str, num_events: int) -> Iterator[RecordedFeedback]:
        sequence = count(1)
        for event in chain.from_iterable(self._pages(session_id, num_events)):
            yield RecordedFeedback(next(sequence), event.feedback, event.recorded_at, event.defaulted)

    def _pages(self, session_id: str, num_events: int) -> Iterator[list[Event]]:
        for start in range(0, num_events, EVENTS_PER_PAGE):
            stop = min(start + EVENTS_PER_PAGE, num_events)
            events = self._events(session_id, start, stop)
            if len(events) < stop - start:
                raise unknown_session(session_id)
            yield events

    def _slates(self, session_id: str, num_events: int) -> Iterator[PastSlate]:
        listed = self._listed(session_id)
        # Slates that a release without the list has stored are older than those in it.
        for slate_id, particle_ids in self._unlisted(session_id, num_events, set(listed)).items():
            (record,) = self._records(session_id, [slate_id])
            yield self._rest(session_id, slate_id, particle_ids) if record is None else self._past(record)
        for start in range(0, len(listed), SLATES_PER_PAGE):
            for record in self._records(session_id, listed[start : start + SLATES_PER_PAGE]):
                if record is not None:
                    yield self._past(record)

    def _unlisted(self, session_id: str, num_events: int, listed: set[str]) -> dict[str, list[str]]:
        """Slates of answered particles that are not in the list, with these particles, by first answer."""
        found: dict[str, list[str]] = {}
        for page in self._pages(session_id, num_events):
            names = [name for event in page for name in event.feedback.answer.particle_ids]
            for name, slate_id in zip(names, self._slates_of(session_id, names), strict=True):
                if slate_id is not None and slate_id not in listed:
                    found.setdefault(slate_id, []).append(name)
        return found

    def _past(self, slate: Slate) -> PastSlate:
        xs = self._xs(slate.session_id, [item.particle_id for item in slate.items])
        return PastSlate(
            slate_id=slate.slate_id,
            session_id=slate.session_id,
            items=tuple(
                PastItem(
                    particle_id=item.particle_id,
                    x=x,
                    population_index=item.population_index,
                    reason=item.reason,
                    propensity=item.propensity,
                    predicted_mean=item.predicted_mean,
                    predicted_std=item.predicted_std,
                    item_id=item.item_id,
                    score=item.score,
                    stored_draw=item.stored_draw,
                )
                for item, x in zip(slate.items, xs, strict=True)
            ),
            round_index=slate.round_index,
            asked=slate.asked,
            surrogate_version=slate.surrogate_version,
            created_at=slate.created_at,
            expires_at=slate.expires_at,
            policy=slate.policy,
        )

    def _rest(self, session_id: str, slate_id: str, particle_ids: Sequence[str]) -> PastSlate:
        names = list(dict.fromkeys(particle_ids))
        items = map(PastItem, names, self._xs(session_id, names))
        return PastSlate(slate_id, session_id, tuple(items))

    @guarded
    def _events(self, session_id: str, start: int, stop: int) -> list[Event]:
        return [loaded(Event, raw) for raw in self._client.lrange(keys.events(session_id), start, stop - 1)]

    @guarded
    def _listed(self, session_id: str) -> list[str]:
        # At once: a page of them would move when older slates go. An id is a few bytes.
        slate_ids: Any = self._client.zrange(keys.slates(session_id), 0, -1)
        return [text(slate_id) for slate_id in slate_ids]

    @guarded
    def _records(self, session_id: str, slate_ids: Sequence[str]) -> list[Slate | None]:
        raw = self._client.mget([keys.slate(session_id, slate_id) for slate_id in slate_ids])
        return [None if one is None else loaded(Slate, one) for one in raw]

    @guarded
    def _slates_of(self, session_id: str, particle_ids: Sequence[str]) -> list[str | None]:
        return particles.slates_of(self._client, session_id, particle_ids)

    @guarded
    def _xs(self, session_id: str, particle_ids: Sequence[str]) -> list[NDArray[np.float32] | None]:
        there = particles.read_kept(self._client, session_id, particle_ids)
        return [None if particle is None else particle.x for particle in there]
