"""What a request may leave out, and how a wrong one is refused."""

from __future__ import annotations

import math

import pytest

from apa.errors import InvalidArgument
from apa.pb import common_pb2, feedback_pb2
from apa.records.ids import ID_IN_WORDS, TEXT_IN_WORDS
from apa.wire.feedback import feedback_from_pb
from apa.wire.sessions import config_from_pb


def refused(config: common_pb2.SessionConfig) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        config_from_pb(config)
    return caught.value


def test_what_is_left_out_takes_the_defaults() -> None:
    config = config_from_pb(common_pb2.SessionConfig(prior="fashion", budget=8))
    assert (config.num_particles, config.particles_per_round) == (32, 8)
    assert (config.surrogate, config.policy, config.feedback_kind) == ("gp", "batch_ucb", "scalar")


def test_the_usual_policy_follows_the_surrogate() -> None:
    config = config_from_pb(common_pb2.SessionConfig(prior="fashion", budget=8, surrogate="cnn"))
    assert config.policy == "epsilon_greedy"


def test_a_budget_must_be_given() -> None:
    error = refused(common_pb2.SessionConfig(prior="fashion"))
    assert (error.field, error.expected, error.found) == (
        "config.budget",
        "greater than or equal to 1",
        "0",
    )


def test_the_errors_after_the_first_are_counted() -> None:
    error = refused(common_pb2.SessionConfig(prior="", budget=0, num_particles=9999))
    assert error.field == "config.prior"
    assert "2 more errors" in error.message


def test_more_shown_than_sampled_names_both_numbers() -> None:
    error = refused(common_pb2.SessionConfig(prior="p", budget=8, particles_per_round=9, num_particles=4))
    assert (error.field, error.found) == ("config.particles_per_round", "9")
    assert error.expected == "at most 4, as many as num_particles"


def test_a_default_k_over_a_smaller_n_is_refused_as_well() -> None:
    error = refused(common_pb2.SessionConfig(prior="p", budget=8, num_particles=4))
    assert (error.field, error.found) == ("config.particles_per_round", "8")


def test_an_unknown_name_lists_the_known_ones() -> None:
    options = common_pb2.SamplingOptions(corrector="magic")
    error = refused(common_pb2.SessionConfig(prior="p", budget=8, sampling=options))
    assert error.field == "config.sampling.corrector"
    assert "'fkc'" in error.expected
    assert error.found == "'magic'"


def test_a_kind_of_feedback_from_the_future_is_refused() -> None:
    config = common_pb2.SessionConfig(prior="p", budget=8)
    config.feedback_kind = 99  # type: ignore[assignment]
    assert refused(config).field == "config.feedback_kind"


@pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_not_finite_is_refused(reward: float) -> None:
    answer = feedback_pb2.ScalarAnswer(particle_id="p", reward=reward)
    event = feedback_pb2.FeedbackEvent(feedback_id="f", session_id="s", scalar=answer)
    with pytest.raises(InvalidArgument) as caught:
        feedback_from_pb(event, field="events.3")
    assert caught.value.field == "events.3.answer.reward"


@pytest.mark.parametrize("particle_id", ["p\n1", "p\x00", "\x1b[31m", "p\u2028"])
def test_an_id_with_a_control_character_is_refused(particle_id: str) -> None:
    answer = feedback_pb2.ScalarAnswer(particle_id=particle_id, reward=1.0)
    with pytest.raises(InvalidArgument) as caught:
        feedback_from_pb(feedback_pb2.FeedbackEvent(feedback_id="f", session_id="s", scalar=answer))
    assert (caught.value.field, caught.value.expected) == ("event.answer.particle_id", TEXT_IN_WORDS)
    assert caught.value.found == repr(particle_id)


def test_what_an_id_is_made_of_is_said_in_words() -> None:
    answer = feedback_pb2.ScalarAnswer(particle_id="p", reward=1.0)
    with pytest.raises(InvalidArgument) as caught:
        feedback_from_pb(feedback_pb2.FeedbackEvent(feedback_id="a b", session_id="s", scalar=answer))
    assert (caught.value.field, caught.value.expected) == ("event.feedback_id", ID_IN_WORDS)


def test_an_event_without_an_answer_is_refused() -> None:
    with pytest.raises(InvalidArgument) as caught:
        feedback_from_pb(feedback_pb2.FeedbackEvent(feedback_id="f", session_id="s"))
    assert caught.value.field == "event.answer"
