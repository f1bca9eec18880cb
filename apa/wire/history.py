"""The records of an export to and from protobuf."""

from __future__ import annotations

import numpy as np
from google.protobuf.json_format import MessageToJson

from apa.errors import Internal
from apa.pb import common_pb2, feedback_pb2
from apa.records.history import HistoryRecord, PastItem, PastSlate, RecordedFeedback
from apa.records.session import SurrogateVersion
from apa.records.shown import SessionView
from apa.wire.feedback import feedback_from_pb, feedback_to_pb
from apa.wire.sessions import session_from_pb, session_to_pb, surrogate_from_pb, surrogate_to_pb
from apa.wire.slates import REASON_NAMES, REASONS
from apa.wire.tensors import tensor_from_pb, tensor_to_pb
from apa.wire.times import time_from_pb, time_to_pb


def history_to_pb(record: HistoryRecord) -> feedback_pb2.ExportSessionResponse:
    match record:
        case SessionView():
            return feedback_pb2.ExportSessionResponse(session=session_to_pb(record))
        case PastSlate():
            return feedback_pb2.ExportSessionResponse(slate=_slate_to_pb(record))
        case RecordedFeedback():
            return feedback_pb2.ExportSessionResponse(feedback=_feedback_to_pb(record))
        case SurrogateVersion():
            return feedback_pb2.ExportSessionResponse(surrogate=surrogate_to_pb(record))


def history_from_pb(response: feedback_pb2.ExportSessionResponse) -> HistoryRecord:
    """The record of a response.

    Raises:
        Internal: it carries none that this release knows.
        InvalidArgument: a value in it is not valid.
    """
    match response.WhichOneof("record"):
        case "session":
            return session_from_pb(response.session)
        case "slate":
            return _slate_from_pb(response.slate)
        case "feedback":
            return _feedback_from_pb(response.feedback)
        case "surrogate":
            return surrogate_from_pb(response.surrogate)
        case _:
            raise Internal("the export carries a record that this client does not know", field="record")


def history_to_json(record: HistoryRecord) -> str:
    """One line of JSON, as protobuf maps it, defaults included; without tensors, which JSON would bloat."""
    message = history_to_pb(record)
    for item in message.slate.items if message.HasField("slate") else ():
        item.ClearField("x")
    return MessageToJson(
        message, indent=None, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _slate_to_pb(slate: PastSlate) -> common_pb2.Slate:
    return common_pb2.Slate(
        slate_id=slate.slate_id,
        session_id=slate.session_id,
        items=[_item_to_pb(item) for item in slate.items],
        round_index=slate.round_index,
        asked=slate.asked,
        surrogate_version=slate.surrogate_version,
        created_at=time_to_pb(slate.created_at) if slate.created_at else None,
        expires_at=time_to_pb(slate.expires_at) if slate.expires_at else None,
        policy=slate.policy,
    )


def _slate_from_pb(slate: common_pb2.Slate) -> PastSlate:
    return PastSlate(
        slate_id=slate.slate_id,
        session_id=slate.session_id,
        items=tuple(_item_from_pb(item, f"slate.items.{row}") for row, item in enumerate(slate.items)),
        round_index=slate.round_index,
        asked=slate.asked,
        surrogate_version=slate.surrogate_version,
        created_at=time_from_pb(slate.created_at),
        expires_at=time_from_pb(slate.expires_at),
        policy=slate.policy,
    )


def _item_to_pb(item: PastItem) -> common_pb2.SlateItem:
    return common_pb2.SlateItem(
        particle_id=item.particle_id,
        population_index=item.population_index,
        x=None if item.x is None else tensor_to_pb(item.x),
        reason=common_pb2.SELECTION_REASON_UNSPECIFIED if item.reason is None else REASONS[item.reason],
        propensity=item.propensity,
        predicted_mean=item.predicted_mean,
        predicted_std=item.predicted_std,
        score=item.score,
        item=None if item.item_id is None else common_pb2.CatalogueItem(item_id=item.item_id),
        stored_draw=item.stored_draw or "",
    )


def _item_from_pb(item: common_pb2.SlateItem, field: str) -> PastItem:
    return PastItem(
        particle_id=item.particle_id,
        population_index=item.population_index,
        x=tensor_from_pb(item.x, field=f"{field}.x", dtype=np.float32) if item.HasField("x") else None,
        reason=REASON_NAMES.get(item.reason),
        propensity=item.propensity,
        predicted_mean=item.predicted_mean,
        predicted_std=item.predicted_std,
        score=item.score,
        item_id=item.item.item_id if item.HasField("item") else None,
        stored_draw=item.stored_draw or None,
    )


def _feedback_to_pb(recorded: RecordedFeedback) -> feedback_pb2.RecordedFeedback:
    return feedback_pb2.RecordedFeedback(
        sequence=recorded.sequence,
        event=feedback_to_pb(recorded.feedback),
        recorded_at=time_to_pb(recorded.recorded_at),
        defaulted=recorded.defaulted,
    )


def _feedback_from_pb(recorded: feedback_pb2.RecordedFeedback) -> RecordedFeedback:
    return RecordedFeedback(
        sequence=recorded.sequence,
        feedback=feedback_from_pb(recorded.event),
        recorded_at=time_from_pb(recorded.recorded_at),
        defaulted=recorded.defaulted,
    )
