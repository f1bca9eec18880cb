"""Changes of catalogues in a real Redis: against a dictionary, in order, and forgotten after a while."""

from __future__ import annotations

import time

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apa import keys
from apa.errors import DataLoss, Unavailable
from apa.records.catalogue import CatalogueChange, Entries
from apa.store.catalogue_records import StoredItems, unpacked
from apa.store.catalogues import CatalogueStore, Head
from apa.store.connection import connect
from tests.waiting import wait_until

DIMS = 3


@pytest.fixture
def store(redis_client: redis.Redis) -> CatalogueStore:
    return CatalogueStore(redis_client)


def entries(values: dict[str, float], in_stock: bool = True) -> Entries:
    vectors = np.array([[value] * DIMS for value in values.values()], dtype=np.float32).reshape(-1, DIMS)
    displays = [f'{{"title": "{value}"}}'.encode() for value in values.values()]
    return Entries(list(values), displays, vectors, np.full(len(values), in_stock))


def read(store: CatalogueStore, after: int = 0, page: int = 3, prior: str = "p") -> StoredItems:
    """All that changed since, page by page."""
    (head,) = store.heads([prior])
    ids: list[str] = []
    records: list[bytes] = []
    while after < head.revision:
        found = store.page(prior, after, head.revision, page)
        ids += found.item_ids
        records += found.records
        after = found.end
    assert len(set(ids)) == len(ids)
    return unpacked(ids, records, DIMS)


def test_what_is_written_is_read_in_the_order_of_its_changes(store: CatalogueStore) -> None:
    assert store.heads(["p"]) == [Head()]
    assert store.upsert("p", entries({"a": 1.0, "b": 2.0})) == CatalogueChange(2, 2)
    assert store.upsert("p", entries({"c": 3.0}, in_stock=False)) == CatalogueChange(3, 1)
    assert store.upsert("p", entries({"a": 9.0})) == CatalogueChange(4, 1)
    found = read(store)
    assert list(found.item_ids) == ["b", "c", "a"]
    assert found.vectors[:, 0].tolist() == [2.0, 3.0, 9.0]
    assert found.in_stock.tolist() == [True, False, True]
    assert found.displays[2] == b'{"title": "9.0"}'
    assert list(read(store, after=3).item_ids) == ["a"]
    assert len(read(store, prior="other")) == 0


def test_what_is_so_already_changes_nothing(store: CatalogueStore) -> None:
    store.upsert("p", entries({"a": 1.0, "b": 2.0}))
    assert store.upsert("p", entries({"a": 1.0, "b": 3.0})) == CatalogueChange(3, 1)
    assert store.delete("p", ["a", "never"], [False, False]) == CatalogueChange(4, 1)
    assert store.delete("p", ["a", "never"], [False, False]) == CatalogueChange(4, 0)


def test_a_deletion_keeps_what_the_item_was_and_of_a_folders_item_only_the_deletion(
    store: CatalogueStore,
) -> None:
    store.upsert("p", entries({"a": 1.0}))
    store.delete("p", ["a", "of folder"], [False, True])
    found = read(store)
    assert found.deleted.tolist() == [True, True]
    assert found.bare.tolist() == [False, True]
    assert (found.displays[0], found.vectors[0, 0]) == (b'{"title": "1.0"}', 1.0)
    store.upsert("p", entries({"a": 1.0, "of folder": 2.0}))
    assert read(store).deleted.tolist() == [False, False]


ITEMS = st.sampled_from("abcdef")
WRITES = st.lists(
    st.one_of(
        st.dictionaries(ITEMS, st.integers(0, 3).map(float), min_size=1, max_size=4),
        st.sets(ITEMS, min_size=1, max_size=4),
    ),
    max_size=8,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WRITES, st.integers(0, 8), st.integers(1, 5))
def test_whoever_follows_from_any_point_has_what_a_dictionary_would(
    store: CatalogueStore, writes: list[dict[str, float] | set[str]], looked: int, page: int
) -> None:
    store._client.flushall()
    wanted: dict[str, float] = {}
    seen: dict[str, float] = {}
    revision = 0

    def follow() -> int:
        found = read(store, revision, page)
        for item_id, deleted, vector in zip(found.item_ids, found.deleted, found.vectors, strict=True):
            seen.pop(item_id, None)
            if not deleted:
                seen[item_id] = float(vector[0])
        return store.heads(["p"])[0].revision

    for turn, write in enumerate(writes):
        if turn == looked:
            revision = follow()
        if isinstance(write, dict):
            store.upsert("p", entries(write))
            wanted |= write
        else:
            store.delete("p", sorted(write), [item_id in "ab" for item_id in sorted(write)])
            wanted = {item_id: value for item_id, value in wanted.items() if item_id not in write}
    follow()
    assert seen == wanted


def test_deletions_of_items_in_no_folder_are_forgotten_after_a_while(redis_client: redis.Redis) -> None:
    store = CatalogueStore(redis_client, keep_deleted_s=0.05)
    store.upsert("p", entries({"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}))
    store.delete("p", ["a", "b", "c"], [False, True, False])
    store.upsert("p", entries({"c": 3.0}))
    (before,) = store.heads(["p"])
    due = float(redis_client.zscore(keys.catalogue_deleted("p"), "a") or 0)
    wait_until(lambda: time.time() * 1000 > due + 5, 5, "the end of its time")
    store.delete("p", ["d"], [True])
    (after,) = store.heads(["p"])
    assert (before.forgotten, after.forgotten) == (0, 5), "a was deleted by the fifth change"
    # b is in the folder, c came back.
    assert sorted(read(store).item_ids) == ["b", "c", "d"]


def test_another_history_has_another_epoch(store: CatalogueStore, redis_client: redis.Redis) -> None:
    store.upsert("p", entries({"a": 1.0}))
    (before,) = store.heads(["p"])
    store.upsert("p", entries({"b": 1.0}))
    assert store.heads(["p"])[0].epoch == before.epoch
    redis_client.flushall()
    store.delete("p", ["a"], [True])
    assert store.heads(["p"])[0].epoch not in ("", before.epoch)


def test_vectors_of_another_prior_are_left_out_and_other_bytes_are_data_loss(
    store: CatalogueStore, redis_client: redis.Redis
) -> None:
    store.upsert("p", entries({"a": 1.0}))
    found = store.page("p", 0, 1, 10)
    assert len(unpacked(found.item_ids, found.records, DIMS + 1)) == 0
    with pytest.raises(DataLoss) as error:
        unpacked(["a"], [b"9s" + found.records[0][2:]], DIMS)
    assert "a" in error.value.found


def test_a_server_without_memory_keeps_none_of_a_request(
    store: CatalogueStore, redis_client: redis.Redis
) -> None:
    store.upsert("p", entries({"a": 1.0}))
    redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable):
            store.upsert("p", entries({"b": 1.0, "c": 1.0}))
    finally:
        redis_client.config_set("maxmemory", 0)
    assert list(read(store).item_ids) == ["a"]


def test_without_a_server_it_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        CatalogueStore(connect("redis://127.0.0.1:1/0")).heads(["p"])
