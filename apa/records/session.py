"""A session: one user's budgeted alignment to one prior."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from apa.records.ids import ID_PATTERN
from apa.records.sampling import SamplingOverrides

PolicyName = Literal["ucb", "epsilon_greedy"]
SurrogateFamily = Literal["linear", "cnn"]
FeedbackKindName = Literal["scalar", "binary", "pairwise", "ranking"]

MAX_PARTICLES = 4096

USUAL_POLICY: dict[str, PolicyName] = {"linear": "ucb", "cnn": "epsilon_greedy"}
"""The policy of a session that names none: optimism needs a surrogate that knows what it does not know."""


class SessionConfig(BaseModel):
    """What a session is created with; it never changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prior: str = Field(min_length=1, max_length=64)
    budget: int = Field(ge=1, le=1_000_000)
    """B, in answers."""
    num_particles: int = Field(default=32, ge=1, le=MAX_PARTICLES)
    """N."""
    particles_per_round: int = Field(default=8, ge=1, le=MAX_PARTICLES, validate_default=True)
    """k, at most N."""
    surrogate: SurrogateFamily = "linear"
    policy: PolicyName = "ucb"
    feedback_kind: FeedbackKindName = "scalar"
    sampling: SamplingOverrides = SamplingOverrides()

    @model_validator(mode="before")
    @classmethod
    def _usual_policy(cls, values: object) -> object:
        if isinstance(values, dict) and not values.get("policy"):
            family = values.get("surrogate") or "linear"
            return values | {"surrogate": family, "policy": USUAL_POLICY.get(str(family), "ucb")}
        return values

    # Of the field, not of the model, so that the error names it; the default too may be more than N.
    @field_validator("particles_per_round")
    @classmethod
    def _at_most_n(cls, k: int, info: ValidationInfo) -> int:
        n = info.data.get("num_particles", k)
        if k > n:
            raise ValueError(f"at most {n}, as many as num_particles")
        return k


class Session(BaseModel):
    """The stored record of a session; its running totals are a `Ledger`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1
    session_id: str = Field(pattern=ID_PATTERN, max_length=128)
    tenant: str = Field(default="default", pattern=ID_PATTERN, max_length=64)
    user_id: str = Field(default="anonymous", min_length=1, max_length=256)
    config: SessionConfig
    created_at: float
    """Unix seconds."""


class Ledger(BaseModel):
    """The running totals of a session, as one atomic read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    spent: int = 0
    """Answers accepted, in units of the budget."""
    reserved: int = 0
    """Asked by open slates, not answered yet."""
    round_index: int = 0
    """Slates fully answered or expired."""
    num_events: int = 0
    closed_at: float | None = None
    """Unix seconds when the session was closed; None while it is open."""


class RefitFailure(BaseModel):
    """Why the last refit of a session came to nothing; gone once one succeeds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1
    error: str
    """Its class in `apa.errors`; Internal for a bug of ours."""
    message: str
    num_events: int = Field(ge=0)
    """Events of the session that it was to be fitted on."""
    failed_at: float
    """Unix seconds."""


class SurrogateVersion(BaseModel):
    """One published surrogate of a session."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str
    """Content hash of the artifact."""
    family: SurrogateFamily
    trained_events: int = Field(ge=0)
    """The training watermark: events of the session that it was fitted on."""
    published_at: float
    """Unix seconds."""
    newest_answer_at: float = 0.0
    """Unix seconds when the newest answer that it was fitted on was recorded."""
