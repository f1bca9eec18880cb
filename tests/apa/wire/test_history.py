"""The records of an export, through real bytes and as lines of JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from google.protobuf.json_format import Parse
from hypothesis import given

from apa.errors import Internal
from apa.pb import common_pb2, feedback_pb2
from apa.records.feedback import Feedback
from apa.records.history import HistoryRecord, PastItem, PastSlate, RecordedFeedback
from apa.wire.history import history_from_pb, history_to_json, history_to_pb
from tests.apa.wire.strategies import HISTORY
from tests.apa.wire.test_round_trips import plain, sent


@given(HISTORY)
def test_a_record_comes_back(record: HistoryRecord) -> None:
    assert plain(history_from_pb(sent(history_to_pb(record)))) == plain(record)


@given(HISTORY)
def test_a_record_is_one_line_of_json_that_protobuf_reads_back_without_tensors(record: HistoryRecord) -> None:
    line = history_to_json(record)
    assert "\n" not in line
    wanted = history_to_pb(record)
    for item in wanted.slate.items if wanted.HasField("slate") else ():
        item.ClearField("x")
    assert Parse(line, feedback_pb2.ExportSessionResponse()) == wanted


def test_what_is_zero_or_no_is_written_too() -> None:
    answer = {"particle_id": "p", "reward": 0.0}
    feedback = Feedback.model_validate({"feedback_id": "f", "session_id": "s1", "answer": answer})
    written = json.loads(history_to_json(RecordedFeedback(1, feedback, 1e9)))["feedback"]
    assert (written["event"]["scalar"]["reward"], written["defaulted"]) == (0.0, False)
    slate = PastSlate("sl", "s1", (PastItem("p", np.zeros(2, np.float32), reason="top"),))
    (item,) = json.loads(history_to_json(slate))["slate"]["items"]
    assert (item["reason"], item["population_index"]) == ("SELECTION_REASON_TOP", 0)
    assert "x" not in item


def test_a_record_of_a_later_release_is_refused() -> None:
    with pytest.raises(Internal):
        history_from_pb(feedback_pb2.ExportSessionResponse())


def test_messages_do_not_outgrow_their_tests() -> None:
    assert len(feedback_pb2.ExportSessionResponse.DESCRIPTOR.fields) == 4
    assert len(feedback_pb2.RecordedFeedback.DESCRIPTOR.fields) == 4
    assert len(common_pb2.Slate.DESCRIPTOR.fields) == 9
    assert len(common_pb2.SlateItem.DESCRIPTOR.fields) == 11
