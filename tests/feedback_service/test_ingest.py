from __future__ import annotations

from typing import Any

import pytest

from apa.errors import InvalidArgument
from apa.records.prior_card import PriorCard
from apa.records.session import SessionConfig
from feedback_service import ingest
from feedback_service.ingest import Limits

LIMITS = Limits(max_particles=64, max_budget=100, max_events_per_call=3)


def config(**fields: Any) -> SessionConfig:
    return SessionConfig.model_validate({"prior": "pictures", "budget": 10} | fields)


def card(**fields: Any) -> PriorCard:
    given = {"name": "pictures", "kind": "image", "data_shape": (1, 8, 8), "decoder": "png", "feature_dim": 4}
    return PriorCard.model_validate(given | fields)


@pytest.mark.parametrize(("name", "value"), [("num_particles", 65), ("budget", 101)])
def test_more_than_the_installation_allows_is_refused(name: str, value: int) -> None:
    ingest.check_limits(config(**{name: value - 1}), LIMITS)

    with pytest.raises(InvalidArgument) as refused:
        ingest.check_limits(config(**{name: value}), LIMITS)

    error = refused.value
    assert (error.field, error.expected, error.found) == (
        f"config.{name}",
        f"at most {value - 1}",
        str(value),
    )


@pytest.mark.parametrize("number", [0, 4])
def test_a_batch_is_neither_empty_nor_over_the_limit(number: int) -> None:
    with pytest.raises(InvalidArgument):
        ingest.check_batch(number, LIMITS)
    for allowed in (1, 3):
        ingest.check_batch(allowed, LIMITS)


def test_a_surrogate_on_features_needs_a_prior_with_features() -> None:
    ingest.check_prior(config(surrogate="linear"), card())
    ingest.check_prior(config(surrogate="gp"), card(feature_dim=0))
    with pytest.raises(InvalidArgument):
        ingest.check_prior(config(surrogate="linear"), card(feature_dim=0))


def test_a_surrogate_of_pictures_needs_pictures() -> None:
    ingest.check_prior(config(surrogate="cnn"), card(feature_dim=0))
    with pytest.raises(InvalidArgument):
        ingest.check_prior(config(surrogate="cnn"), card(data_shape=(32,)))


def test_a_session_without_tenant_and_user_takes_the_defaults() -> None:
    session = ingest.new_session("s1", "", "", config(), 5.0)
    assert (session.tenant, session.user_id, session.created_at) == ("default", "anonymous", 5.0)
    assert ingest.new_session("s1", "shop", "ann", config(), 5.0).tenant == "shop"


@pytest.mark.parametrize("user_id", ["ada\n", "a\x00b", "\x1b[2J", "\x85"])
def test_a_user_id_with_a_control_character_is_refused(user_id: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ingest.new_session("s1", "", user_id, config(), 5.0)
    assert (refused.value.field, refused.value.found) == ("user_id", repr(user_id))


@pytest.mark.parametrize(
    "user_id", ["ada", "Ада Лавлейс", "a b@c/d", "\U0001f469\u200d\U0001f4bb", "x" * 256]
)
def test_a_user_id_is_any_text_otherwise(user_id: str) -> None:
    assert ingest.new_session("s1", "", user_id, config(), 5.0).user_id == user_id


def test_a_malformed_tenant_is_refused_by_name() -> None:
    with pytest.raises(InvalidArgument) as refused:
        ingest.new_session("s1", "a/b", "", config(), 5.0)
    assert (refused.value.field, refused.value.found) == ("tenant", "'a/b'")
