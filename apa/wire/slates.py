"""Slates to and from protobuf, with their tensors and what these decode to."""

from __future__ import annotations

import numpy as np

from apa.errors import InvalidArgument
from apa.pb import common_pb2
from apa.records.shown import CatalogueItem, Decoded, ShownItem, ShownSlate
from apa.records.slate import SelectionReason
from apa.wire.tensors import tensor_from_pb, tensor_to_pb
from apa.wire.times import time_from_pb, time_to_pb

REASONS: dict[SelectionReason, common_pb2.SelectionReason] = {
    "cold_start": common_pb2.SELECTION_REASON_COLD_START,
    "top": common_pb2.SELECTION_REASON_TOP,
    "random": common_pb2.SELECTION_REASON_RANDOM,
    "sampled": common_pb2.SELECTION_REASON_SAMPLED,
    "diverse": common_pb2.SELECTION_REASON_DIVERSE,
}
REASON_NAMES: dict[int, SelectionReason] = {code: name for name, code in REASONS.items()}


def slate_to_pb(slate: ShownSlate) -> common_pb2.Slate:
    return common_pb2.Slate(
        slate_id=slate.slate_id,
        session_id=slate.session_id,
        items=[_item_to_pb(item) for item in slate.items],
        round_index=slate.round_index,
        asked=slate.asked,
        surrogate_version=slate.surrogate_version,
        expires_at=time_to_pb(slate.expires_at),
        created_at=time_to_pb(slate.created_at),
        policy=slate.policy,
    )


def slate_from_pb(slate: common_pb2.Slate) -> ShownSlate:
    """The slate of a message.

    Raises:
        InvalidArgument: a tensor is not valid, or the reason unknown.
    """
    return ShownSlate(
        slate_id=slate.slate_id,
        session_id=slate.session_id,
        items=tuple(_item_from_pb(item, f"slate.items.{row}") for row, item in enumerate(slate.items)),
        round_index=slate.round_index,
        asked=slate.asked,
        surrogate_version=slate.surrogate_version,
        expires_at=time_from_pb(slate.expires_at),
        created_at=time_from_pb(slate.created_at),
        policy=slate.policy,
    )


def _item_to_pb(item: ShownItem) -> common_pb2.SlateItem:
    message = common_pb2.SlateItem(
        particle_id=item.particle_id,
        population_index=item.population_index,
        x=tensor_to_pb(item.x),
        reason=REASONS[item.reason],
        propensity=item.propensity,
        predicted_mean=item.predicted_mean,
        predicted_std=item.predicted_std,
        score=item.score,
        stored_draw=item.stored_draw,
    )
    if item.png is not None:
        message.png = item.png
    if item.item is not None:
        shown = item.item
        message.item.CopyFrom(
            common_pb2.CatalogueItem(
                item_id=shown.item_id, title=shown.title, attributes=dict(shown.attributes)
            )
        )
    return message


def _item_from_pb(item: common_pb2.SlateItem, field: str) -> ShownItem:
    return ShownItem(
        particle_id=item.particle_id,
        population_index=item.population_index,
        x=tensor_from_pb(item.x, field=f"{field}.x", dtype=np.float32),
        reason=_reason(item.reason, f"{field}.reason"),
        propensity=item.propensity,
        predicted_mean=item.predicted_mean,
        predicted_std=item.predicted_std,
        score=item.score,
        stored_draw=item.stored_draw,
        decoded=_decoded(item),
    )


def _decoded(item: common_pb2.SlateItem) -> Decoded:
    match item.WhichOneof("decoded"):
        case "png":
            return item.png
        case "item":
            return CatalogueItem(item.item.item_id, item.item.title, dict(item.item.attributes))
        case _:
            return None


def _reason(reason: int, field: str) -> SelectionReason:
    if reason not in REASON_NAMES:
        expected = "one of " + ", ".join(REASONS)
        raise InvalidArgument("no such reason", field=field, expected=expected, found=str(reason))
    return REASON_NAMES[reason]
