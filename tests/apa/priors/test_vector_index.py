from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apa.errors import InvalidArgument
from apa.priors import vector_index
from apa.priors.vector_index import BruteForceIndex, Floats, Indices


def naive_search(vectors: Floats, queries: Floats, k: int) -> tuple[Indices, Floats]:
    """The definition: every difference, a stable sort."""
    squared = np.square(queries[:, None, :] - vectors[None, :, :]).sum(axis=2)
    order = squared.argsort(axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(squared, order, axis=1)


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 9), st.integers(0, 2**32 - 1), st.data())
def test_search_agrees_with_the_definition(n: int, d: int, m: int, seed: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n))
    generator = np.random.default_rng(seed)
    vectors, queries = generator.normal(size=(n, d)), generator.normal(size=(m, d))

    indices, squared = BruteForceIndex(vectors).search(queries, k)

    expected_indices, expected_squared = naive_search(vectors, queries, k)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-12)


def test_a_query_on_a_vector_far_from_the_origin_finds_it_at_distance_zero() -> None:
    vectors = 1000.0 + np.random.default_rng(0).normal(size=(500, 8))

    indices, squared = BruteForceIndex(vectors).search(vectors, 1)

    np.testing.assert_array_equal(indices[:, 0], np.arange(500))
    np.testing.assert_array_equal(squared, 0.0)


def test_equally_near_vectors_come_in_the_order_of_their_index() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [5.0, 5.0]])

    indices, _ = BruteForceIndex(vectors).search(np.zeros((1, 2)), 4)

    assert indices.tolist() == [[0, 1, 2, 3]]


def test_the_answer_does_not_depend_on_the_size_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    vectors, queries = generator.normal(size=(100, 5)), generator.normal(size=(31, 5))
    whole, _ = BruteForceIndex(vectors).search(queries, 7)

    monkeypatch.setattr(vector_index, "_MAX_NUMBERS", 300)
    in_blocks, _ = BruteForceIndex(vectors).search(queries, 7)

    np.testing.assert_array_equal(in_blocks, whole)


@pytest.mark.parametrize(
    ("queries", "k", "field"),
    [
        (np.zeros((2, 4)), 1, "queries"),
        (np.zeros(3), 1, "queries"),
        (np.full((1, 3), np.nan), 1, "queries"),
        (np.zeros((2, 3)), 0, "k"),
        (np.zeros((2, 3)), 6, "k"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(queries: Floats, k: int, field: str) -> None:
    index = BruteForceIndex(np.zeros((5, 3)))

    with pytest.raises(InvalidArgument) as raised:
        index.search(queries, k)

    assert raised.value.field == field


def test_an_index_over_nothing_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="needs vectors"):
        BruteForceIndex(np.zeros((0, 3)))
