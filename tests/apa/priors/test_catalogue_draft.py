"""A draft takes changes one after the other, and ends where they would together; what is served stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apa.errors import InvalidArgument
from apa.priors.catalogue import Catalogue, Change, Item

IDS = [f"i{n}" for n in range(8)]
SOME_IDS = st.lists(st.sampled_from([*IDS, *(f"new{n}" for n in range(40))]), unique=True, max_size=20)


def catalogue() -> Catalogue:
    vectors = np.arange(16, dtype=np.float32).reshape(8, 2)
    return Catalogue([Item(name, name, {}) for name in IDS], vectors)


def change(names: list[str], deleted: list[str], value: float) -> Change:
    vectors = np.full((len(names), 2), value, np.float32)
    in_stock = np.array([len(name) % 2 == 0 for name in names], dtype=np.bool_)
    entries = [(name, f'{{"title":"{value}","attributes":{{}}}}'.encode()) for name in names]
    return Change(names, entries, vectors, in_stock, deleted)


def told(one: Catalogue) -> dict[str, object]:
    return {
        name: (place, one.items[place].title, one.vectors[place].tolist(), bool(one.shown[place]))
        for name, place in one.positions.items()
    }


@settings(max_examples=100)
@given(st.lists(st.tuples(SOME_IDS, SOME_IDS), max_size=6))
def test_many_changes_of_a_draft_are_those_changes_one_after_the_other(
    changes: list[tuple[list[str], list[str]]],
) -> None:
    served = catalogue()
    before = told(served)
    draft, stepwise = served.draft(), served
    for number, (names, deleted) in enumerate(changes):
        draft.take(change(names, deleted, float(number)))
        stepwise = stepwise.changed(change(names, deleted, float(number)))
        assert told(served) == before

    drafted = served.drafted(draft)
    assert told(drafted) == told(stepwise)
    assert drafted.deleted == stepwise.deleted
    assert len(drafted) == len(stepwise) == len(drafted.vectors) == len(drafted.shown)


def test_what_does_not_fit_is_refused() -> None:
    draft = catalogue().draft()
    with pytest.raises(InvalidArgument, match="do not fit"):
        draft.take(Change(["a"], [("a", b"")], np.zeros((1, 3), np.float32)))
    with pytest.raises(InvalidArgument, match="twice"):
        draft.take(Change(["a", "a"], [("a", b""), ("a", b"")], np.zeros((2, 2), np.float32)))
