"""Every record that travels comes back the same, through real bytes."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import Message
from hypothesis import given

from apa.errors import FailedPrecondition
from apa.pb import common_pb2, feedback_pb2, sampler_pb2
from apa.records.feedback import Acknowledgement, Feedback
from apa.records.prior_card import PriorCard
from apa.records.run_events import RunEvent
from apa.records.sampling import SamplingConfig, SamplingOverrides
from apa.records.session import RefitQuality, SessionConfig
from apa.records.shown import SessionView
from apa.wire.feedback import FeedbackResult, feedback_from_pb, feedback_to_pb, result_from_pb, result_to_pb
from apa.wire.prior_cards import LoadedPrior, prior_from_pb, prior_to_pb
from apa.wire.run_events import event_from_pb, event_to_pb
from apa.wire.sampling import options_from_pb, options_to_pb
from apa.wire.sessions import config_from_pb, config_to_pb, session_from_pb, session_to_pb
from tests.apa.wire.strategies import ACKNOWLEDGEMENTS, CONFIGS, EVENTS, FEEDBACKS, OVERRIDES, VIEWS

AnyMessage = TypeVar("AnyMessage", bound=Message)


def sent(message: AnyMessage) -> AnyMessage:
    return type(message).FromString(message.SerializeToString())


def plain(value: Any) -> Any:
    """A value that `==` compares: arrays by dtype, shape and bytes, since NaN is not equal to itself."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if is_dataclass(value):
        return (type(value), [plain(getattr(value, field.name)) for field in fields(value)])
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value


@given(OVERRIDES)
def test_options_come_back_with_what_was_left_out_left_out(options: SamplingOverrides) -> None:
    assert options_from_pb(sent(options_to_pb(options))) == options


def test_a_resolved_config_travels_with_everything_a_caller_may_choose() -> None:
    config = SamplingConfig(seed=7, active_interval=(0.25, 0.75))
    back = options_from_pb(sent(options_to_pb(config)))
    assert SamplingConfig().merged(back) == config
    assert None not in back.model_dump().values()


@given(CONFIGS)
def test_a_session_config_comes_back(config: SessionConfig) -> None:
    assert config_from_pb(sent(config_to_pb(config))) == config


@given(VIEWS)
def test_a_session_comes_back_with_its_totals(view: SessionView) -> None:
    assert session_from_pb(sent(session_to_pb(view))) == view


@given(EVENTS)
def test_an_event_of_a_run_comes_back(event: RunEvent) -> None:
    message = sent(event_to_pb(event, 3))
    assert message.sequence == 3
    assert plain(event_from_pb(message)) == plain(event)


@given(FEEDBACKS)
def test_an_answer_comes_back(feedback: Feedback) -> None:
    assert feedback_from_pb(sent(feedback_to_pb(feedback))) == feedback


@given(ACKNOWLEDGEMENTS)
def test_an_acknowledgement_comes_back(acknowledgement: Acknowledgement) -> None:
    result = FeedbackResult(acknowledgement.feedback_id, acknowledgement)
    assert result_from_pb(sent(result_to_pb(result))) == result


def test_a_refusal_comes_back_with_its_class_and_fields() -> None:
    refused = FailedPrecondition("the budget is spent", field="budget", expected="less than 8", found="8")
    back = result_from_pb(sent(result_to_pb(FeedbackResult("f1", error=refused))))
    assert back.feedback_id == "f1"
    assert back.acknowledgement is None
    assert type(back.error) is FailedPrecondition
    assert str(back.error) == str(refused)


def test_a_prior_comes_back_without_what_only_the_folder_knows() -> None:
    card = PriorCard(
        name="films", kind="vector", data_shape=(32,), decoder="catalogue", feature_dim=64, quality={"a": 0.5}
    )
    back = prior_from_pb(sent(prior_to_pb(LoadedPrior(card, "abc"))))
    assert back == LoadedPrior(card.model_copy(update={"feature_dim": 0}), "abc")


def test_messages_do_not_outgrow_their_tests() -> None:
    """A field that is added to a contract fails here until the boundary carries it."""
    assert len(common_pb2.Session.DESCRIPTOR.fields) == 13
    assert len(common_pb2.SessionConfig.DESCRIPTOR.fields) == 14
    assert len(common_pb2.SamplingOptions.DESCRIPTOR.fields) == len(SamplingOverrides.model_fields)
    assert len(common_pb2.RefitQuality.DESCRIPTOR.fields) == len(RefitQuality.model_fields)
    assert len(common_pb2.SurrogateVersion.DESCRIPTOR.fields) == 5
    assert len(feedback_pb2.FeedbackEvent.DESCRIPTOR.fields) == 8
    assert len(sampler_pb2.Progress.DESCRIPTOR.fields) == 6
    assert len(sampler_pb2.Preview.DESCRIPTOR.fields) == 3
    assert len(sampler_pb2.Finished.DESCRIPTOR.fields) == 10
    assert len(sampler_pb2.Certificate.DESCRIPTOR.fields) == 6
