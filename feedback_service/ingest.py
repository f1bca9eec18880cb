"""What the service accepts: rules on values alone, without a clock, a store or a network."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from apa.errors import InvalidArgument, NotFound
from apa.records.ids import check_text
from apa.records.prior_card import PriorCard
from apa.records.session import Session, SessionConfig
from apa.records.validation import validated

IMAGE_DIMENSIONS = 3


@dataclass(frozen=True)
class Limits:
    """What one installation allows; the records' own bounds hold anyway."""

    max_particles: int
    max_budget: int
    max_events_per_call: int


def new_session(
    session_id: str, tenant: str, user_id: str, config: SessionConfig, created_at: float
) -> Session:
    """The record of a session; an empty tenant or user takes the record's default.

    Raises:
        InvalidArgument: a name is malformed.
    """
    # Here and not in the record, which has to read what earlier releases let pass.
    if user_id:
        check_text(user_id, field="user_id")
    names = {"session_id": session_id, "tenant": tenant, "user_id": user_id}
    given = {name: value for name, value in names.items() if value}
    return validated(Session, given | {"config": config, "created_at": created_at})


def check_limits(config: SessionConfig, limits: Limits) -> None:
    """Raises InvalidArgument when the session asks for more than the installation allows."""
    for name, most in (("num_particles", limits.max_particles), ("budget", limits.max_budget)):
        value = getattr(config, name)
        if value > most:
            raise InvalidArgument(
                "over this installation's limit",
                field=f"config.{name}",
                expected=f"at most {most}",
                found=str(value),
            )


def check_known(config: SessionConfig, priors: Collection[str]) -> None:
    """Raises NotFound unless there is a prior of the name."""
    if config.prior not in priors:
        raise NotFound(
            "no such prior", field="config.prior", expected=f"one of {sorted(priors)}", found=config.prior
        )


def check_prior(config: SessionConfig, card: PriorCard) -> None:
    """Raises InvalidArgument when the surrogate cannot be fitted on items of the prior."""
    if config.surrogate == "linear" and card.feature_dim == 0:
        raise _unfit(config, card, "a surrogate that needs no features: the prior has none")
    if config.surrogate == "cnn" and len(card.data_shape) != IMAGE_DIMENSIONS:
        raise _unfit(config, card, f"a surrogate of vectors: items have the shape {card.data_shape}")


def check_batch(num_events: int, limits: Limits) -> None:
    """Raises InvalidArgument for no answers, or more than fit in a call."""
    if not 1 <= num_events <= limits.max_events_per_call:
        raise InvalidArgument(
            "the number of answers is out of range",
            field="events",
            expected=f"1 to {limits.max_events_per_call}",
            found=str(num_events),
        )


def _unfit(config: SessionConfig, card: PriorCard, expected: str) -> InvalidArgument:
    return InvalidArgument(
        f"the surrogate does not fit the prior {card.name}",
        field="config.surrogate",
        expected=expected,
        found=config.surrogate,
    )
