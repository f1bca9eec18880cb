"""The stores that the service uses, on one client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from apa.records.session import Session
from apa.records.shown import SessionView
from apa.store.connection import Client
from apa.store.erasure import Erasure
from apa.store.history import History
from apa.store.ledger import FeedbackLedger
from apa.store.sessions import SessionStore
from apa.store.stored import unknown_session
from apa.store.surrogates import SurrogateStore
from apa.store.views import SessionViews


@dataclass(frozen=True)
class Stores:
    sessions: SessionStore
    ledger: FeedbackLedger
    surrogates: SurrogateStore
    views: SessionViews
    erasure: Erasure
    history: History

    @classmethod
    def of(cls, client: Client) -> Self:
        return cls(
            SessionStore(client),
            FeedbackLedger(client),
            SurrogateStore(client),
            SessionViews(client),
            Erasure(client),
            History(client),
        )

    def view(self, session: Session) -> SessionView:
        """Raises NotFound when the session is gone by now."""
        views = self.views.of([session])
        if not views:
            raise unknown_session(session.session_id)
        return views[0]
