"""One answer of any kind, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from apa.records.ids import ID_OR_NONE_PATTERN, ID_PATTERN, ParticleId

MAX_REWARD = 1e6
"""Surrogates compute in float32: beyond this its rounding would drown what answers differ by."""
OLDEST_KIND = "scalar"
"""The kind of an answer that names none: the first release knew no other, and wrote no kind."""
_BETWEEN = "\x1f"
"""Between the parts of a subject; a control character, which no id may hold."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Names its kind, whatever the defaults; the oldest names none, as the first release wrote it."""
        kind = getattr(self, "kind", OLDEST_KIND)
        fields = {name: value for name, value in write(self).items() if name != "kind"}
        return fields if kind == OLDEST_KIND else {"kind": kind, **fields}

    @property
    def cost(self) -> int:
        """What it takes of the budget."""
        return 1


class ScalarAnswer(_Answer):
    """A reward for one shown particle."""

    kind: Literal["scalar"] = "scalar"
    particle_id: ParticleId
    reward: float = Field(ge=-MAX_REWARD, le=MAX_REWARD, allow_inf_nan=False)

    @property
    def particle_ids(self) -> tuple[str, ...]:
        return (self.particle_id,)


class BinaryAnswer(_Answer):
    """Whether one shown particle is liked."""

    kind: Literal["binary"] = "binary"
    particle_id: ParticleId
    liked: bool

    @property
    def particle_ids(self) -> tuple[str, ...]:
        return (self.particle_id,)


class PairwiseAnswer(_Answer):
    """Which of two shown particles is preferred."""

    kind: Literal["pairwise"] = "pairwise"
    preferred: ParticleId
    other: ParticleId

    @field_validator("other")
    @classmethod
    def _another(cls, other: str, info: ValidationInfo) -> str:
        if other == info.data.get("preferred"):
            raise ValueError("another particle than the preferred one")
        return other

    @property
    def particle_ids(self) -> tuple[str, ...]:
        """The preferred one first."""
        return (self.preferred, self.other)


class RankingAnswer(_Answer):
    """Several shown particles, best first."""

    kind: Literal["ranking"] = "ranking"
    particle_ids: tuple[ParticleId, ...] = Field(min_length=2)

    @field_validator("particle_ids")
    @classmethod
    def _each_once(cls, particle_ids: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(particle_ids)) < len(particle_ids):
            raise ValueError("each particle once")
        return particle_ids

    @property
    def cost(self) -> int:
        """One less than it ranks: as many as comparisons would be needed to say the same."""
        return len(self.particle_ids) - 1


Answer = ScalarAnswer | BinaryAnswer | PairwiseAnswer | RankingAnswer

ANSWERS: dict[str, type[Answer]] = {
    "scalar": ScalarAnswer,
    "binary": BinaryAnswer,
    "pairwise": PairwiseAnswer,
    "ranking": RankingAnswer,
}


def _kind_of(answer: object) -> object:
    return answer.get("kind", OLDEST_KIND) if isinstance(answer, dict) else getattr(answer, "kind", None)


AnyAnswer = Annotated[
    Annotated[ScalarAnswer, Tag("scalar")]
    | Annotated[BinaryAnswer, Tag("binary")]
    | Annotated[PairwiseAnswer, Tag("pairwise")]
    | Annotated[RankingAnswer, Tag("ranking")],
    Discriminator(_kind_of),
]


def subject_of(answer: Answer, rater: str = "") -> str:
    """What there can be one answer about: by a rater, of a particle, an unordered pair, or a set.

    The particle's id itself where nobody is named, as the first release kept it.
    """
    about = _BETWEEN.join(sorted(answer.particle_ids))
    return f"{rater}{_BETWEEN}{_BETWEEN}{about}" if rater else about


class Feedback(BaseModel):
    """An answer as the caller sent it. `feedback_id` makes sending it again harmless."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1
    feedback_id: str = Field(pattern=ID_PATTERN, max_length=128)
    session_id: str = Field(pattern=ID_PATTERN, max_length=128)
    answer: AnyAnswer
    rater: str = Field(default="", pattern=ID_OR_NONE_PATTERN, max_length=64)
    """Which of the session's raters answers; "" where it has none but the user."""
    supersedes: str = Field(default="", pattern=ID_OR_NONE_PATTERN, max_length=128)
    """The feedback id of the answer that this one replaces; "" for none."""

    @property
    def subject(self) -> str:
        return subject_of(self.answer, self.rater)

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what the first release did not know, where it is not used."""
        later = ("rater", "supersedes")
        return {name: value for name, value in write(self).items() if value or name not in later}


class Event(BaseModel):
    """An accepted answer as the events of a session keep it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    recorded_at: float
    """Unix seconds, by the store's clock."""
    feedback: Feedback
    defaulted: bool = False
    """Nobody gave it: the session's default reward, after its wait."""


class Acknowledgement(BaseModel):
    """What the ledger says of an accepted answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback_id: str
    sequence: int = Field(ge=1)
    """Place of the event in its session, from 1."""
    duplicate: bool
    spent: int
    remaining: int
