"""What of a request a store may hold, and what is refused by its field."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from apa.client import CatalogueEntry
from apa.errors import InvalidArgument
from apa.pb import sampler_pb2
from apa.records.catalogue import MAX_ATTRIBUTES, MAX_ITEMS
from apa.wire.catalogue import entries_from_pb, entries_to_pb
from apa.wire.tensors import tensor_to_pb


def request(**changes: Any) -> sampler_pb2.UpsertItemsRequest:
    """Two items of three dimensions; what is None is left out."""
    first = sampler_pb2.NewItem(item_id="a", title="A", attributes={"year": "1999", "genre": "Ä"})
    items = [first, sampler_pb2.NewItem(item_id="b", in_stock=False)]
    given: dict[str, Any] = {"items": items, "vectors": tensor_to_pb(np.ones((2, 3), np.float32))} | changes
    return sampler_pb2.UpsertItemsRequest(prior="p", **given)


def test_items_become_arrays_with_one_tensor_or_one_in_each() -> None:
    entries = entries_from_pb(request(), 3)
    assert entries.item_ids == ["a", "b"]
    assert json.loads(entries.displays[0]) == {"title": "A", "attributes": {"year": "1999", "genre": "Ä"}}
    assert entries.in_stock.tolist() == [True, False]
    own = [sampler_pb2.NewItem(item_id=name, vector=tensor_to_pb(np.full(3, 2, np.float32))) for name in "ab"]
    assert entries_from_pb(request(items=own, vectors=None), 3).vectors.tolist() == [[2.0] * 3] * 2


def test_entries_of_a_client_arrive_as_they_are() -> None:
    given = [
        CatalogueEntry("a", "A", [1, 2], {"n": "1"}),
        CatalogueEntry("b", "", np.zeros(2), in_stock=False),
    ]
    entries = entries_from_pb(entries_to_pb("p", given), 2)
    assert entries.vectors.tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert entries.in_stock.tolist() == [True, False]


def item(**fields: Any) -> list[sampler_pb2.NewItem]:
    return [sampler_pb2.NewItem(item_id="a"), sampler_pb2.NewItem(**{"item_id": "b"} | fields)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"items": [], "vectors": None}, "items"),
        ({"items": [sampler_pb2.NewItem(item_id="a")] * (MAX_ITEMS + 1)}, "items"),
        ({"items": item(item_id="")}, "items.1.item_id"),
        ({"items": item(item_id="a\n")}, "items.1.item_id"),
        ({"items": item(item_id="x" * 257)}, "items.1.item_id"),
        ({"items": item(item_id="a")}, "items.1.item_id"),
        ({"items": item(title="x" * 1025)}, "items.1.title"),
        ({"items": item(attributes={str(n): "" for n in range(MAX_ATTRIBUTES + 1)})}, "items.1.attributes"),
        ({"items": item(attributes={"long": "x" * 17_000})}, "items.1"),
        ({"vectors": None}, "vectors"),
        ({"items": item(vector=tensor_to_pb(np.ones(3, np.float32)))}, "vectors"),
        (
            {"items": item(vector=tensor_to_pb(np.ones(3, np.float32))), "vectors": None},
            "items.0.vector.dtype",
        ),
        ({"vectors": tensor_to_pb(np.ones((2, 4), np.float32))}, "vectors.shape"),
        ({"vectors": tensor_to_pb(np.ones((1, 3), np.float32))}, "vectors.shape"),
        ({"vectors": tensor_to_pb(np.ones((2, 3)))}, "vectors.dtype"),
        ({"vectors": tensor_to_pb(np.array([[1, 2, 3], [1, np.inf, 3]], np.float32))}, "vectors.1"),
    ],
)
def test_what_no_catalogue_holds_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        entries_from_pb(request(**changes), 3)
    assert refused.value.field == field
    assert refused.value.expected


@pytest.mark.parametrize("vectors", [([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]]), ("no", [1.0]), (1.0, 1.0)])
def test_vectors_that_no_message_can_carry_are_refused(vectors: tuple[Any, Any]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        entries_to_pb("p", [CatalogueEntry(name, "", v) for name, v in zip("ab", vectors, strict=True)])
    assert refused.value.field.endswith(".vector")
