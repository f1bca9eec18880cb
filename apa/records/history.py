"""What is kept of a session, as an export tells it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apa.records.feedback import Feedback
from apa.records.session import SurrogateVersion
from apa.records.shown import SessionView
from apa.records.slate import SelectionReason


@dataclass(frozen=True)
class PastItem:
    """One particle as it was shown.

    Attributes:
        x: (*data_shape); None where the particle is kept no longer, as it is only once it is answered.
        reason, propensity: None and 0 where all that is left of its slate is this particle.
        predicted_mean, predicted_std: of the reward, in the user's units; 0 without a surrogate.
        score: what the policy ranked it by when it was picked.
        item_id: the catalogue item that was shown; None where the prior has no catalogue.
        stored_draw: the stored draw of the prior that was shown; None where it was none.
    """

    particle_id: str
    x: NDArray[np.float32] | None
    population_index: int = 0
    reason: SelectionReason | None = None
    propensity: float = 0.0
    predicted_mean: float = 0.0
    predicted_std: float = 0.0
    item_id: str | None = None
    score: float = 0.0
    stored_draw: str | None = None


@dataclass(frozen=True)
class PastSlate:
    """A slate as it was shown.

    Attributes:
        created_at, expires_at: Unix seconds; 0 where all that is left of the slate are answered particles.
        policy: which chose; "" for a cold start, and for slates of a release that did not say.
    """

    slate_id: str
    session_id: str
    items: tuple[PastItem, ...]
    round_index: int = 0
    asked: int = 0
    surrogate_version: str = ""
    created_at: float = 0.0
    expires_at: float = 0.0
    policy: str = ""


@dataclass(frozen=True)
class RecordedFeedback:
    """An answer as it was accepted.

    Attributes:
        sequence: its place in the session, from 1.
        recorded_at: Unix seconds.
        defaulted: nobody gave it: the session's default reward, after its wait.
    """

    sequence: int
    feedback: Feedback
    recorded_at: float
    defaulted: bool = False


HistoryRecord = SessionView | PastSlate | RecordedFeedback | SurrogateVersion
"""One record of an export: the session first, its slates, its answers, its surrogates."""
