from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from apa.priors.distinct import decode_distinct, neighbourhood
from apa.priors.vector_index import BruteForceIndex


def by_the_definition(
    squared: NDArray[np.float64], k: int, excluded: frozenset[int]
) -> list[tuple[int, int]]:
    """(particle, item) pairs, from all the distances (M, N)."""
    squared = squared.copy()
    squared[:, list(excluded)] = np.inf
    chosen: dict[int, int] = {}
    for row, item in enumerate(squared.argmin(axis=1).tolist()):
        if len(chosen) < k and item not in chosen.values():
            chosen[row] = item
    squared[:, list(chosen.values())] = np.inf
    for row in range(len(squared)):
        if len(chosen) < k and row not in chosen:
            chosen[row] = int(squared[row].argmin())
            squared[:, chosen[row]] = np.inf
    return sorted(chosen.items())


@settings(max_examples=80)
@given(st.integers(2, 80), st.integers(1, 25), st.integers(0, 2**32 - 1), st.data())
def test_a_search_that_deepens_agrees_with_the_definition(
    num_items: int, num_particles: int, seed: int, data: st.DataObject
) -> None:
    excluded = frozenset(data.draw(st.sets(st.integers(0, num_items - 1), max_size=num_items - 1)))
    k = data.draw(st.integers(1, min(num_particles, num_items - len(excluded))))
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(num_items, 2))
    # Particles in a heap compete for the same few items.
    x = 0.1 * generator.normal(size=(num_particles, 2))

    decoded = decode_distinct(BruteForceIndex(vectors), x, k, np.isin(np.arange(num_items), list(excluded)))

    squared = np.square(x[:, None, :] - vectors[None]).sum(axis=2)
    pairs = list(zip(decoded.rows.tolist(), decoded.items.tolist(), strict=True))
    assert pairs == by_the_definition(squared, k, excluded)


@settings(max_examples=80)
@given(st.integers(2, 80), st.integers(1, 25), st.integers(1, 90), st.integers(0, 2**32 - 1), st.data())
def test_all_particles_reach_equally_far_for_the_items_around_them(
    num_items: int, num_particles: int, count: int, seed: int, data: st.DataObject
) -> None:
    excluded = data.draw(st.sets(st.integers(0, num_items - 1), max_size=num_items))
    generator = np.random.default_rng(seed)
    vectors, x = generator.normal(size=(num_items, 2)), generator.normal(size=(num_particles, 2))

    found = neighbourhood(BruteForceIndex(vectors), x, count, np.isin(np.arange(num_items), list(excluded)))

    squared = np.square(x[:, None, :] - vectors[None]).sum(axis=2)
    free = [item for item in range(num_items) if item not in excluded]
    # Of each item: how many free ones its particle comes to before it, how far it is, and which particle.
    nearest = {
        item: min(
            (int((row[free] < row[item]).sum()), row[item], number) for number, row in enumerate(squared)
        )
        for item in free
    }
    expected = sorted(free, key=nearest.__getitem__)[:count]
    assert found.items.tolist() == expected
    assert found.rows.tolist() == [nearest[item][2] for item in expected]
    np.testing.assert_allclose(found.squared_distances, [nearest[item][1] for item in expected])
