from __future__ import annotations

from typing import Any

import pytest

from apa.errors import InvalidArgument
from apa.records.session import RefitQuality, Session, SessionConfig, SurrogateVersion
from apa.records.validation import validated
from apa.store.stored import loaded


def config(**fields: Any) -> SessionConfig:
    return validated(SessionConfig, {"prior": "fashion", "budget": 80, **fields})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"feedback_kind": "pairwise", "particles_per_round": 1}, "particles_per_round"),
        ({"feedback_kind": "ranking", "particles_per_round": 1}, "particles_per_round"),
        ({"raters": ("ada", "ada")}, "raters"),
        ({"raters": ("ada", "two words")}, "raters.1"),
        ({"raters": tuple(f"r{one}" for one in range(65))}, "raters"),
        ({"feedback_kind": "pairwise", "aggregation": "max"}, "aggregation"),
        ({"feedback_kind": "ranking", "aggregation": "least_misery"}, "aggregation"),
        ({"answer_wait_s": 0.0}, "answer_wait_s"),
        ({"answer_wait_s": float("nan")}, "answer_wait_s"),
        ({"default_reward": 0.0}, "default_reward"),
        ({"default_reward": float("inf"), "answer_wait_s": 1.0}, "default_reward"),
        ({"default_reward": 0.0, "answer_wait_s": 1.0, "feedback_kind": "pairwise"}, "default_reward"),
        ({"default_reward": 0.5, "answer_wait_s": 1.0, "feedback_kind": "binary"}, "default_reward"),
        ({"refit_on": "round"}, "refit_on"),
    ],
)
def test_what_does_not_go_together_is_refused_naming_the_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        config(**fields)
    assert refused.value.field == field
    assert refused.value.expected


@pytest.mark.parametrize(
    "fields",
    [
        {"feedback_kind": "pairwise", "particles_per_round": 2},
        {"feedback_kind": "binary", "aggregation": "least_misery", "raters": ("ada", "ben")},
        {"feedback_kind": "binary", "answer_wait_s": 0.5, "default_reward": 0.0},
        {"answer_wait_s": 60.0, "default_reward": -3.5},
        {"surrogate": "cnn", "refit_on": "round"},
    ],
)
def test_what_goes_together_is_stored_and_read_back(fields: dict[str, Any]) -> None:
    session = Session(session_id="s", config=config(**fields), created_at=1.0)
    assert loaded(Session, session.model_dump_json()) == session


def test_a_session_of_the_first_release_is_read_with_the_defaults_of_what_it_did_not_know() -> None:
    raw = (
        '{"schema_version":1,"session_id":"s","tenant":"t","user_id":"u","created_at":1.0,'
        '"config":{"prior":"fashion","budget":80,"num_particles":32,"particles_per_round":8,'
        '"surrogate":"linear","policy":"ucb","feedback_kind":"scalar","sampling":{}}}'
    )
    assert loaded(Session, raw).config == config(surrogate="linear")


def test_a_surrogate_without_a_quality_is_stored_as_the_first_release_wrote_it() -> None:
    version = SurrogateVersion(version="v", family="linear", trained_events=8, published_at=1.0)
    raw = '{"version":"v","family":"linear","trained_events":8,"published_at":1.0,"newest_answer_at":0.0}'
    assert version.model_dump_json() == raw
    assert loaded(SurrogateVersion, raw) == version
    assert version.beta_factor == 1.0


def test_a_quality_is_stored_and_read_back() -> None:
    quality = RefitQuality(num_answers=8, coverage=0.75, gap=1.0, gap_error=0.25, beta_factor=0.5)
    version = SurrogateVersion(
        version="v", family="linear", trained_events=8, published_at=1.0, quality=quality
    )
    assert loaded(SurrogateVersion, version.model_dump_json()) == version
    assert version.beta_factor == 0.5
