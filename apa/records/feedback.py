"""One answer, and what became of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from apa.records.ids import ID_PATTERN, ParticleId

MAX_REWARD = 1e6
"""Surrogates compute in float32: beyond this its rounding would drown what answers differ by."""


class ScalarAnswer(BaseModel):
    """A reward for one shown particle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    particle_id: ParticleId
    reward: float = Field(ge=-MAX_REWARD, le=MAX_REWARD, allow_inf_nan=False)


class Feedback(BaseModel):
    """An answer as the caller sent it. `feedback_id` makes sending it again harmless."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1
    feedback_id: str = Field(pattern=ID_PATTERN, max_length=128)
    session_id: str = Field(pattern=ID_PATTERN, max_length=128)
    answer: ScalarAnswer


class Event(BaseModel):
    """An accepted answer as the events of a session keep it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    recorded_at: float
    """Unix seconds, by the store's clock."""
    feedback: Feedback


class Acknowledgement(BaseModel):
    """What the ledger says of an accepted answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback_id: str
    sequence: int = Field(ge=1)
    """Place of the event in its session, from 1."""
    duplicate: bool
    spent: int
    remaining: int
