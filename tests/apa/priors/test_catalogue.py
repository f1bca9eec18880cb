from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apa.errors import FailedPrecondition, InvalidArgument, NotFound
from apa.priors.catalogue import Catalogue, Item


def catalogue_of(num_items: int, num_dims: int = 3, seed: int = 0) -> Catalogue:
    vectors = np.random.default_rng(seed).normal(size=(num_items, num_dims)).astype(np.float32)
    return Catalogue([Item(f"i{n}", f"Item {n}", {"n": str(n)}) for n in range(num_items)], vectors)


def line(*positions: float) -> Catalogue:
    """Items on a line: item n at positions[n]."""
    items = [Item(f"i{n}", f"Item {n}", {}) for n in range(len(positions))]
    return Catalogue(items, np.array(positions, dtype=np.float32)[:, None])


def test_a_particle_on_an_item_decodes_to_it() -> None:
    catalogue = catalogue_of(50)

    assert catalogue.decode(catalogue.vectors).tolist() == list(range(50))


@settings(max_examples=60)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 2**32 - 1), st.data())
def test_distinct_items_are_distinct_allowed_and_in_the_particles_order(
    num_items: int, num_particles: int, seed: int, data: st.DataObject
) -> None:
    catalogue = catalogue_of(num_items, seed=seed)
    excluded = data.draw(st.sets(st.integers(0, num_items - 1), max_size=num_items - 1))
    k = data.draw(st.integers(1, min(num_particles, num_items - len(excluded))))
    x = np.random.default_rng(seed).normal(size=(num_particles, 3))

    decoded = catalogue.decode_distinct(x, k, excluded)

    assert len(set(decoded.items.tolist())) == k
    assert not set(decoded.items.tolist()) & excluded
    assert decoded.rows.tolist() == sorted(set(decoded.rows.tolist()))
    apart = x[decoded.rows] - catalogue.vectors[decoded.items]
    np.testing.assert_allclose(decoded.squared_distances, np.square(apart).sum(axis=1), rtol=1e-9)


def test_the_preferred_particle_always_gets_its_nearest_allowed_item() -> None:
    catalogue = line(0.0, 1.0, 2.0)

    decoded = catalogue.decode_distinct(np.array([[0.1], [0.0]]), 2, excluded={0})

    assert decoded.items.tolist() == [1, 2]


def test_a_particle_whose_item_is_taken_yields_to_one_whose_item_is_free() -> None:
    catalogue = line(0.0, 0.5, 10.0)

    decoded = catalogue.decode_distinct(np.array([[0.0], [0.1], [9.9]]), 2)

    assert (decoded.rows.tolist(), decoded.items.tolist()) == ([0, 2], [0, 2])


def test_a_particle_settles_for_its_next_item_when_there_is_no_other() -> None:
    catalogue = line(0.0, 0.5, 10.0)

    decoded = catalogue.decode_distinct(np.array([[0.0], [0.1]]), 2)

    assert (decoded.rows.tolist(), decoded.items.tolist()) == ([0, 1], [0, 1])


def test_exclusions_that_fill_the_first_search_do_not_hide_what_is_left() -> None:
    catalogue = line(*(float(n) for n in range(200)))

    decoded = catalogue.decode_distinct(np.zeros((1, 1)), 1, excluded=range(199))

    assert decoded.items.tolist() == [199]


def test_more_items_than_are_left_is_a_failed_precondition() -> None:
    with pytest.raises(FailedPrecondition, match="at most 1"):
        line(0.0, 1.0).decode_distinct(np.zeros((3, 1)), 2, excluded=[0, 0, -5, 99])


@pytest.mark.parametrize("k", [0, 4])
def test_every_item_needs_a_particle_of_its_own(k: int) -> None:
    with pytest.raises(InvalidArgument, match="1 to 3"):
        line(0.0, 1.0, 2.0, 3.0, 4.0).decode_distinct(np.zeros((3, 1)), k)


def test_an_upsert_replaces_known_items_in_place_and_appends_new_ones() -> None:
    before = line(0.0, 1.0)

    after = before.upserted(
        [Item("i1", "Renamed", {}), Item("new", "New", {})], np.array([[5.0], [9.0]], dtype=np.float32)
    )

    assert [item.title for item in after.items] == ["Item 0", "Renamed", "New"]
    assert after.decode(np.array([[6.0], [10.0]])).tolist() == [1, 2]
    assert [item.title for item in before.items] == ["Item 0", "Item 1"]


def test_a_deleted_item_is_never_decoded_again() -> None:
    after = line(0.0, 1.0, 2.0).without(["i1", "unknown"])

    assert [after.items[i].item_id for i in after.decode(np.array([[0.9], [1.1]]))] == ["i0", "i2"]
    with pytest.raises(NotFound):
        after.position("i1")


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [
        (["a", "b"], np.zeros((3, 2), dtype=np.float32)),
        (["a", "a"], np.zeros((2, 2), dtype=np.float32)),
        (["a", "b"], np.full((2, 2), np.inf, dtype=np.float32)),
        (["a", "b"], np.zeros(2, dtype=np.float32)),
    ],
)
def test_items_and_vectors_that_do_not_belong_together_are_refused(
    ids: list[str], vectors: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> None:
    with pytest.raises(InvalidArgument):
        Catalogue([Item(name, name, {}) for name in ids], vectors)


def test_vectors_of_another_length_cannot_be_upserted() -> None:
    with pytest.raises(InvalidArgument, match="do not fit"):
        line(0.0).upserted([Item("x", "X", {})], np.zeros((1, 2), dtype=np.float32))
