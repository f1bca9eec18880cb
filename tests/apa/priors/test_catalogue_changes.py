"""A catalogue that changes: against a dictionary of what it should hold, and what is shown of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apa.errors import FailedPrecondition, InvalidArgument
from apa.priors.catalogue import Catalogue, Change, Item

IDS = st.integers(0, 12).map(lambda n: f"i{n}")
UPSERTS = st.dictionaries(IDS, st.tuples(st.integers(0, 99), st.booleans()), max_size=5)
CHANGES = st.lists(st.tuples(UPSERTS, st.sets(IDS, max_size=4)), max_size=6)

Wanted = dict[str, tuple[int, bool]]
"""Where each item lies on a line, and whether it is in stock."""


def line(*positions: float) -> Catalogue:
    items = [Item(f"i{n}", f"at {position:g}", {}) for n, position in enumerate(positions)]
    return Catalogue(items, np.array(positions, dtype=np.float32)[:, None])


def changed(before: Catalogue, upserts: Wanted, deleted: set[str]) -> Catalogue:
    ids = list(upserts)
    vectors = np.array([place for place, _ in upserts.values()], dtype=np.float32).reshape(-1, 1)
    in_stock = np.array([there for _, there in upserts.values()], dtype=np.bool_)
    # Half of them as a store gives them, read when they are shown.
    displays = [f'{{"title": "at {place}", "attributes": {{"n": "1"}}}}' for place, _ in upserts.values()]
    entries = [
        (name, display.encode()) if row % 2 else Item(name, f"at {upserts[name][0]}", {"n": "1"})
        for row, (name, display) in enumerate(zip(ids, displays, strict=True))
    ]
    return before.changed(Change(ids, entries, vectors, in_stock, deleted - upserts.keys()))


@given(CHANGES)
def test_after_any_changes_it_holds_what_a_dictionary_would(changes: list[tuple[Wanted, set[str]]]) -> None:
    catalogue, wanted = line(0.0, 1.0, 2.0), {f"i{n}": (n, True) for n in range(3)}
    for upserts, deleted in changes:
        before, length = catalogue, len(catalogue)
        catalogue = changed(catalogue, upserts, deleted)
        wanted = {name: at for name, at in wanted.items() if name not in deleted} | upserts
        assert len(before) == length, "a run keeps the catalogue that it began with"

    assert catalogue.num_items == len(catalogue.positions) == len(wanted)
    assert set(catalogue.positions) == set(wanted)
    assert not set(catalogue.deleted) & set(wanted)
    for name, (place, _) in wanted.items():
        item = catalogue.items[catalogue.position(name)]
        assert (item.item_id, item.title) == (name, f"at {place}")
        assert catalogue.vectors[catalogue.position(name)].tolist() == [place]
    in_stock = {name for name, (_, there) in wanted.items() if there}
    assert {catalogue.items[place].item_id for place in catalogue.shelf.positions} == in_stock
    if in_stock:
        queries = np.array([[-1.0], [50.0], [120.0]])
        for row, place in enumerate(catalogue.decode(queries)):
            nearest = min(abs(wanted[name][0] - queries[row, 0]) for name in in_stock)
            assert abs(catalogue.vectors[place, 0] - queries[row, 0]) == nearest
        found = catalogue.neighbourhood(queries, 100)
        assert {catalogue.items[place].item_id for place in found.items} == in_stock


def test_a_deleted_item_can_still_be_told_and_comes_back_to_its_place() -> None:
    gone = line(0.0, 1.0, 2.0).without(["i1"])
    assert gone.item("i1") == Item("i1", "at 1", {})
    assert gone.item("never") is None
    back = gone.upserted([Item("i1", "again", {})], np.array([[5.0]], dtype=np.float32))
    assert (back.position("i1"), len(back), back.num_items) == (1, 3, 3)
    assert not back.deleted


def test_what_is_out_of_stock_is_known_and_never_shown() -> None:
    before = line(0.0, 1.0, 2.0)
    sold = before.upserted([Item("i1", "sold", {})], np.array([[1.0]], dtype=np.float32), np.array([False]))
    assert sold.position("i1") == 1
    assert sold.decode(np.array([[0.9], [1.2]])).tolist() == [0, 2]
    with pytest.raises(FailedPrecondition, match="at most 2"):
        sold.decode_distinct(np.zeros((3, 1)), 3)
    assert sold.among(["i1", "i2", "never"]).positions.tolist() == [2]


def test_with_nothing_in_stock_nothing_is_found() -> None:
    empty = line(0.0).without(["i0"])
    assert (empty.num_items, len(empty.shelf)) == (0, 0)
    with pytest.raises(FailedPrecondition):
        empty.decode(np.zeros((1, 1)))
    with pytest.raises(FailedPrecondition):
        empty.decode_distinct(np.zeros((1, 1)), 1)
    assert len(empty.neighbourhood(np.zeros((1, 1)), 3).items) == 0


@pytest.mark.parametrize(("ids", "vectors"), [(["a", "a"], (2, 1)), (["a"], (1, 2)), (["a"], (2, 1))])
def test_a_change_that_does_not_fit_is_refused(ids: list[str], vectors: tuple[int, int]) -> None:
    entries = [Item(name, name, {}) for name in ids]
    with pytest.raises(InvalidArgument):
        line(0.0).changed(Change(ids, entries, np.zeros(vectors, dtype=np.float32)))
