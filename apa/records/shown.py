"""What a caller gets to see: a session with its totals, a slate with its tensors and what they decode to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apa.records.session import Ledger, RefitFailure, Session, SessionConfig, SurrogateVersion
from apa.records.slate import SelectionReason


@dataclass(frozen=True)
class SessionView:
    """A session, its running totals, its newest surrogate (None before the first refit), why the last refit
    failed (None when it did not), and the version that steers whatever is published ("": the newest does).
    """

    session: Session
    ledger: Ledger = field(default_factory=Ledger)
    surrogate: SurrogateVersion | None = None
    refit_failure: RefitFailure | None = None
    pinned_version: str = ""

    @property
    def session_id(self) -> str:
        return self.session.session_id

    @property
    def config(self) -> SessionConfig:
        return self.session.config

    @property
    def spent(self) -> int:
        """Answers accepted so far."""
        return self.ledger.spent

    @property
    def remaining(self) -> int:
        """Answers that the user can still be asked for."""
        return max(0, self.config.budget - self.ledger.spent)

    @property
    def is_fitted(self) -> bool:
        """Whether the newest surrogate has seen every answer; a pinned one may steer all the same."""
        trained = self.surrogate.trained_events if self.surrogate is not None else 0
        return trained >= self.ledger.num_events


@dataclass(frozen=True)
class CatalogueItem:
    """One item of a catalogue, for display."""

    item_id: str
    title: str
    attributes: Mapping[str, str] = field(default_factory=dict)


Decoded = bytes | CatalogueItem | None
"""A PNG image, a catalogue item, or nothing: what the prior's decoder gives."""


@dataclass(frozen=True)
class ShownItem:
    """One shown particle.

    Attributes:
        population_index: row of the population, 0 to N - 1; of a stored draw, its row among these.
        x: (*data_shape), the particle; for a catalogue the shown item's own vector.
        reason: why it was selected.
        propensity: inclusion probability given the population, in (0, 1].
        predicted_mean, predicted_std: of the reward, in the user's units; 0 without a surrogate.
        score: what the policy ranked it by when it was picked, in the user's units; 0 for a cold start.
        stored_draw: which of the prior's stored draws it is; "" for none.
    """

    particle_id: str
    population_index: int
    x: NDArray[np.float32]
    reason: SelectionReason
    propensity: float
    predicted_mean: float = 0.0
    predicted_std: float = 0.0
    decoded: Decoded = None
    score: float = 0.0
    stored_draw: str = ""

    @property
    def png(self) -> bytes | None:
        return self.decoded if isinstance(self.decoded, bytes) else None

    @property
    def item(self) -> CatalogueItem | None:
        return self.decoded if isinstance(self.decoded, CatalogueItem) else None


@dataclass(frozen=True)
class ShownSlate:
    """The k particles of a run, in the order in which they are shown.

    Attributes:
        round_index: slates fully answered or expired when this one was made.
        asked: answers reserved of the budget; 0 once it is spent.
        surrogate_version: what steered the run; "" for the unsteered prior.
        expires_at, created_at: Unix seconds.
        policy: name of the one that chose; "" for a cold start, and for slates of a release that did not say.
    """

    slate_id: str
    session_id: str
    items: tuple[ShownItem, ...]
    round_index: int
    asked: int
    surrogate_version: str
    expires_at: float
    created_at: float = 0.0
    policy: str = ""
