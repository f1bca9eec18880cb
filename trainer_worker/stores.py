"""The parts of the store that a refit uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from apa.store.cohorts import CohortStore
from apa.store.connection import connect
from apa.store.due import DueStore
from apa.store.ledger import FeedbackLedger
from apa.store.sessions import SessionStore
from apa.store.slates import SlateStore
from apa.store.surrogates import SurrogateStore
from apa.store.waiting import WaitingSlates


@dataclass(frozen=True)
class Stores:
    sessions: SessionStore
    slates: SlateStore
    ledger: FeedbackLedger
    due: DueStore
    surrogates: SurrogateStore
    waiting: WaitingSlates
    cohorts: CohortStore

    @classmethod
    def at(cls, url: str) -> Self:
        """The stores of the server at this URL; nothing is sent yet."""
        client = connect(url)
        return cls(
            SessionStore(client),
            SlateStore(client),
            FeedbackLedger(client),
            DueStore(client),
            SurrogateStore(client),
            WaitingSlates(client),
            CohortStore(client),
        )
