"""A session: one user's budgeted alignment to one prior."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from apa.records.sampling import SamplingOverrides

PolicyName = Literal["ucb", "epsilon_greedy"]
SurrogateFamily = Literal["linear", "cnn"]
FeedbackKindName = Literal["scalar"]

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$"
MAX_PARTICLES = 4096

USUAL_POLICY: dict[str, PolicyName] = {"linear": "ucb", "cnn": "epsilon_greedy"}
"""The policy of a session that names none: optimism needs a surrogate that knows what it does not know."""


class SessionConfig(BaseModel):
    """What a session is created with; it never changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prior: str = Field(min_length=1, max_length=64)
    budget: int = Field(ge=1, le=1_000_000)
    """B, in answers."""
    particles_per_round: int = Field(default=8, ge=1, le=MAX_PARTICLES)
    """k."""
    num_particles: int = Field(default=32, ge=1, le=MAX_PARTICLES)
    """N."""
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

    @model_validator(mode="after")
    def _k_at_most_n(self) -> Self:
        if self.particles_per_round > self.num_particles:
            raise ValueError(
                f"particles_per_round must be at most num_particles ({self.num_particles}), "
                f"found {self.particles_per_round}"
            )
        return self


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
