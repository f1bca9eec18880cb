from __future__ import annotations

import numpy as np
import redis
from hypothesis import given
from hypothesis import strategies as st

from apa.records.catalogue import Entries
from apa.store.catalogue_records import joined, parted
from apa.store.catalogues import CatalogueStore

ITEMS = st.lists(st.tuples(st.text(), st.binary()))


@given(ITEMS)
def test_items_that_are_one_argument_come_apart_again(items: list[tuple[str, bytes]]) -> None:
    item_ids, records = [item_id for item_id, _ in items], [record for _, record in items]

    assert parted(joined(item_ids, records)) == (item_ids, records)


def test_the_scripts_read_and_write_them_so(redis_client: redis.Redis) -> None:
    store = CatalogueStore(redis_client)
    item_ids = ["plain", "größer", "\x00\xff", "x" * 256]
    displays = [b"{}", b"\r\n", bytes(range(256)), b'{"title":"' + b"t" * 5000 + b'"}']
    vectors = np.arange(8, dtype=np.float32).reshape(4, 2)
    written = store.upsert("films", Entries(item_ids, displays, vectors, np.array([True, False, True, True])))

    page = store.page("films", 0, written.revision, 100)

    assert (written.changed, page.end) == (4, written.revision)
    assert list(page.item_ids) == item_ids
    assert [record[6 + 8 :] for record in page.records] == displays
    assert [np.frombuffer(record[6:14], "<f4").tolist() for record in page.records] == vectors.tolist()
    assert store.page("films", 0, 4, 3).end == 3
    assert store.page("films", 4, 4, 3).item_ids == []
