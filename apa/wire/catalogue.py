"""Items that a catalogue is to hold, to and from protobuf; what may be stored is checked here."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apa.errors import InvalidArgument
from apa.pb import common_pb2, sampler_pb2
from apa.records.catalogue import (
    MAX_ATTRIBUTES,
    MAX_DISPLAY_BYTES,
    MAX_ITEMS,
    MAX_TITLE,
    CatalogueChange,
    CatalogueEntry,
    Entries,
)
from apa.records.ids import check_text
from apa.wire.tensors import tensor_from_pb, tensor_to_pb

AT_ONCE = 64
"""Items that are read before other threads are let in: a tick must not wait for a thousand."""
REST_S = 0.004
"""How long these are let in, eight times as long as so many items take."""


def entries_to_pb(prior: str, entries: Sequence[CatalogueEntry]) -> sampler_pb2.UpsertItemsRequest:
    """Raises InvalidArgument for a vector that is no array of numbers, or not as long as the first."""
    vectors = [_vector(entry, place) for place, entry in enumerate(entries)]
    for place, vector in enumerate(vectors):
        if vector.shape != vectors[0].shape or vector.ndim != 1:
            found, wanted = str(vector.shape), str(vectors[0].shape) if vectors[0].ndim == 1 else "(D,)"
            raise _refused("the vectors are not of one length", f"items.{place}.vector", wanted, found)
    return sampler_pb2.UpsertItemsRequest(
        prior=prior,
        items=[_entry_to_pb(entry) for entry in entries],
        vectors=tensor_to_pb(np.stack(vectors)) if vectors else None,
    )


def entries_from_pb(request: sampler_pb2.UpsertItemsRequest, num_dims: int) -> Entries:
    """The items of a request.

    Args:
        num_dims: D of the prior.

    Raises:
        InvalidArgument: none, too many, an id that is none or comes twice, a text that is too long, or a
            vector that is missing, of another shape, or not finite; it names the field.
    """
    check_count(len(request.items), "items")
    displays, item_ids = [], []
    for place, item in enumerate(request.items):
        item_ids.append(checked_id(item.item_id, f"items.{place}.item_id"))
        displays.append(_display(item, place))
        if place % AT_ONCE == AT_ONCE - 1:
            time.sleep(REST_S)
    check_different(item_ids, "items.{}.item_id")
    vectors = _vectors(request, num_dims)
    in_stock = [item.in_stock or not item.HasField("in_stock") for item in request.items]
    return Entries(item_ids, displays, vectors, np.array(in_stock, dtype=np.bool_))


def change_from_pb(
    response: sampler_pb2.UpsertItemsResponse | sampler_pb2.DeleteItemsResponse,
) -> CatalogueChange:
    return CatalogueChange(response.revision, response.changed)


def check_count(count: int, field: str) -> None:
    if not 1 <= count <= MAX_ITEMS:
        raise _refused("the number of items is out of range", field, f"1 to {MAX_ITEMS}", str(count))


def check_different(item_ids: Sequence[str], field: str) -> None:
    """field: with a place for the number of the item."""
    seen: set[str] = set()
    for place, item_id in enumerate(item_ids):
        if item_id in seen:
            raise _refused("an item id occurs twice", field.format(place), "different ids", item_id)
        seen.add(item_id)


def checked_id(item_id: str, field: str) -> str:
    # What most ids are made of is found out at once.
    quick = item_id.isascii() and item_id.isprintable() and 1 <= len(item_id) <= 64
    return item_id if quick else check_text(item_id, field=field)


def _entry_to_pb(entry: CatalogueEntry) -> sampler_pb2.NewItem:
    return sampler_pb2.NewItem(
        item_id=entry.item_id,
        title=entry.title,
        attributes=dict(entry.attributes),
        in_stock=None if entry.in_stock else False,
    )


def _vector(entry: CatalogueEntry, place: int) -> NDArray[np.float32]:
    try:
        return np.asarray(entry.vector, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise _refused(
            "these are no numbers",
            f"items.{place}.vector",
            "an array of float32",
            repr(entry.vector)[:120],
        ) from error


_encode = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode
"""Made once: to make one for each item takes longer than to use it."""


def _display(item: sampler_pb2.NewItem, place: int) -> bytes:
    if len(item.title) > MAX_TITLE:
        raise _too_long(f"items.{place}.title", f"at most {MAX_TITLE} characters", len(item.title))
    if len(item.attributes) > MAX_ATTRIBUTES:
        raise _too_long(f"items.{place}.attributes", f"at most {MAX_ATTRIBUTES}", len(item.attributes))
    display = _encode({"title": item.title, "attributes": dict(item.attributes)}).encode()
    if len(display) > MAX_DISPLAY_BYTES:
        raise _too_long(f"items.{place}", f"at most {MAX_DISPLAY_BYTES} bytes of text", len(display))
    return display


def _vectors(request: sampler_pb2.UpsertItemsRequest, num_dims: int) -> NDArray[np.float32]:
    given = [place for place, item in enumerate(request.items) if item.HasField("vector")]
    if request.HasField("vectors") == bool(given):
        raise _refused(
            "the items' vectors are given once",
            "vectors",
            "one tensor for all, or one in each item",
            "both" if given else "neither",
        )
    if request.HasField("vectors"):
        vectors = _tensor(request.vectors, "vectors", (len(request.items), num_dims))
    else:
        own = [
            _tensor(item.vector, f"items.{place}.vector", (num_dims,))
            for place, item in enumerate(request.items)
        ]
        vectors = np.stack(own)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        place = int(finite.argmin())
        field = f"items.{place}.vector" if given else f"vectors.{place}"
        raise _refused("a vector is not finite", field, "finite numbers", "NaN or infinity")
    return vectors


def _tensor(tensor: common_pb2.Tensor, field: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return tensor_from_pb(tensor, field=field, dtype=np.float32, shape=shape)


def _too_long(field: str, expected: str, found: int) -> InvalidArgument:
    return _refused("an item is too long", field, expected, str(found))


def _refused(message: str, field: str, expected: str, found: str) -> InvalidArgument:
    return InvalidArgument(message, field=field, expected=expected, found=found)
