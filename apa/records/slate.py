"""A slate: what one run shows the user."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SelectionReason = Literal["cold_start", "top", "random", "sampled", "diverse"]


class SlateItem(BaseModel):
    """One shown particle. Its tensor is stored beside the slate, under the particle's own key."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    particle_id: str
    population_index: int = Field(ge=0)
    reason: SelectionReason
    propensity: float = Field(gt=0.0, le=1.0)
    """Inclusion probability given the population."""
    predicted_mean: float = 0.0
    predicted_std: float = 0.0
    """Of the reward, in the user's units; 0 without a surrogate."""
    score: float = Field(default=0.0, exclude_if=lambda score: score == 0.0)
    """What the policy ranked it by when it was picked, in the user's units; 0 for a cold start."""
    item_id: str | None = None
    """The catalogue item that was shown; None where the prior has no catalogue."""
    stored_draw: str | None = Field(default=None, exclude_if=lambda name: name is None)
    """The stored draw that was shown; None where it was a particle, or an item of a catalogue."""


class Slate(BaseModel):
    """The k particles of a run, in the order in which they are shown."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1
    slate_id: str
    session_id: str
    request_id: str
    items: tuple[SlateItem, ...]
    round_index: int = Field(ge=0)
    asked: int = Field(ge=0)
    """Answers reserved of the budget for this slate."""
    surrogate_version: str = ""
    policy: str = Field(default="", exclude_if=lambda policy: policy == "")
    """Which chose; "" for a cold start."""
    created_at: float
    expires_at: float
    """Unix seconds."""
