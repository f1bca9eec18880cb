"""A session: one user's budgeted alignment to one prior."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from apa.records.feedback import MAX_REWARD
from apa.records.ids import ID_PATTERN
from apa.records.sampling import SamplingOverrides

PolicyName = Literal[
    "ucb",
    "batch_ucb",
    "thompson",
    "batch_thompson",
    "epsilon_greedy",
    "batch_epsilon_greedy",
    "gumbel_top_k",
]
SurrogateFamily = Literal["linear", "cnn", "mlp", "gp"]
FeedbackKindName = Literal["scalar", "binary", "pairwise", "ranking"]
AggregationName = Literal["mean", "max", "least_misery"]
RefitOnName = Literal["all", "round"]
RaterName = Annotated[str, Field(pattern=ID_PATTERN, max_length=64)]

MAX_PARTICLES = 4096
MAX_RATERS = 64
MIN_WAIT_S = 0.001
"""As short as the store can tell."""
MAX_WAIT_S = 365 * 86400.0
COMPARING: tuple[FeedbackKindName, ...] = ("pairwise", "ranking")
"""Kinds of answers that only order items."""

USUAL_SURROGATE: SurrogateFamily = "gp"
"""Measured in docs/decisions/0010."""
USUAL_POLICY: dict[str, PolicyName] = {"linear": "ucb", "gp": "batch_ucb", "cnn": "epsilon_greedy"}
"""The policy of a session that names none: optimism needs a surrogate that knows what it does not know."""


class SessionConfig(BaseModel):
    """What a session is created with; it never changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prior: str = Field(min_length=1, max_length=64)
    budget: int = Field(ge=1, le=1_000_000)
    """B, in answers."""
    feedback_kind: FeedbackKindName = "scalar"
    num_particles: int = Field(default=32, ge=1, le=MAX_PARTICLES)
    """N."""
    particles_per_round: int = Field(default=8, ge=1, le=MAX_PARTICLES, validate_default=True)
    """k, at most N."""
    surrogate: SurrogateFamily = USUAL_SURROGATE
    policy: PolicyName = "ucb"
    sampling: SamplingOverrides = SamplingOverrides()
    raters: tuple[RaterName, ...] = Field(default=(), max_length=MAX_RATERS)
    """Who answers, each for itself; nobody but the user when empty."""
    aggregation: AggregationName = "mean"
    """How the answers of several raters about one item become what is learnt of it."""
    answer_wait_s: float | None = Field(default=None, ge=MIN_WAIT_S, le=MAX_WAIT_S, allow_inf_nan=False)
    """How long a slate waits for its answers; None for the service's own limit."""
    default_reward: float | None = Field(default=None, ge=-MAX_REWARD, le=MAX_REWARD, allow_inf_nan=False)
    """What every answer that did not come in that time is taken to be; None takes nothing for granted."""
    refit_on: RefitOnName = "all"
    """Which answers a refit learns from; "round": those since the surrogate before, whose network goes on."""

    cohort: str = Field(default="", max_length=64, pattern=rf"^$|{ID_PATTERN}")
    """From whose taste the session begins, and whom it teaches; "" for nobody. Members share the tenant, the
    prior and the kind of feedback."""

    @model_validator(mode="before")
    @classmethod
    def _usual_policy(cls, values: object) -> object:
        if isinstance(values, dict) and not values.get("policy"):
            family = values.get("surrogate") or USUAL_SURROGATE
            return values | {"surrogate": family, "policy": USUAL_POLICY.get(str(family), "ucb")}
        return values

    # Of the field, not of the model, so that the error names it; the default too may be more than N.
    @field_validator("particles_per_round")
    @classmethod
    def _at_most_n(cls, k: int, info: ValidationInfo) -> int:
        n = info.data.get("num_particles", k)
        if k > n:
            raise ValueError(f"at most {n}, as many as num_particles")
        kind = info.data.get("feedback_kind")
        if kind in COMPARING and k < 2:
            raise ValueError(f"at least 2 for {kind} answers")
        return k

    @field_validator("raters")
    @classmethod
    def _each_once(cls, raters: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(raters)) < len(raters):
            raise ValueError("each name once")
        return raters

    @field_validator("aggregation")
    @classmethod
    def _of_values(cls, aggregation: AggregationName, info: ValidationInfo) -> AggregationName:
        kind = info.data.get("feedback_kind")
        if aggregation != "mean" and kind in COMPARING:
            raise ValueError(f"mean: {kind} answers have no largest or least")
        return aggregation

    @field_validator("default_reward")
    @classmethod
    def _waited_for(cls, reward: float | None, info: ValidationInfo) -> float | None:
        if reward is None:
            return None
        if info.data.get("answer_wait_s", 1.0) is None:
            raise ValueError("none without answer_wait_s")
        kind = info.data.get("feedback_kind")
        if kind in COMPARING:
            raise ValueError(f"none with {kind} answers")
        if kind == "binary" and reward not in (0.0, 1.0):
            raise ValueError("0 or 1 with binary answers")
        return reward

    @field_validator("refit_on")
    @classmethod
    def _by_a_network(cls, refit_on: RefitOnName, info: ValidationInfo) -> RefitOnName:
        if refit_on == "round" and info.data.get("surrogate", "cnn") != "cnn":
            raise ValueError("all, unless the surrogate is cnn: only its network goes on training")
        return refit_on

    @field_validator("cohort")
    @classmethod
    def _by_a_process(cls, cohort: str, info: ValidationInfo) -> str:
        if cohort and info.data.get("surrogate", "gp") != "gp":
            raise ValueError("none, unless the surrogate is gp: only a process begins from a cohort")
        return cohort

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without a cohort where there is none, as the release before wrote it."""
        return {name: value for name, value in write(self).items() if (name, value) != ("cohort", "")}


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


class RefitQuality(BaseModel):
    """How well the surrogate before had foreseen the answers that came since; nothing where none came."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    num_answers: int = Field(default=0, ge=0)
    coverage: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of these inside its 90% predictive intervals."""
    gap: float = Field(default=0.0, allow_inf_nan=False)
    """Mean of predicted less true reward, in standard deviations of the reward."""
    gap_error: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    """Standard error of the gap."""
    beta_factor: float = Field(default=1.0, gt=0.0, le=1.0)
    """What beta of the new version's runs is multiplied with."""


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
    quality: RefitQuality | None = None
    """None for the first of a session."""

    @property
    def beta_factor(self) -> float:
        """What the usual beta of its runs is multiplied with."""
        return 1.0 if self.quality is None else self.quality.beta_factor

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without a quality where there is none, as the first release wrote it."""
        return {name: value for name, value in write(self).items() if (name, value) != ("quality", None)}
