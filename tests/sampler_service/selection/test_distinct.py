"""Distinct particles."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler_service.selection import distinct


def test_copies_are_dropped_and_first_occurrences_stay_in_order() -> None:
    x = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))

    assert distinct(x[[2, 0, 2, 1, 0, 3]], tolerance=0.0).tolist() == [0, 1, 3, 5]


def test_near_copies_are_dropped_by_their_root_mean_square_difference() -> None:
    x = torch.zeros(3, 100)
    x[1] += 0.04
    x[2] += 0.06

    assert distinct(x, tolerance=0.05).tolist() == [0, 2]
    assert distinct(x, tolerance=0.0).tolist() == [0, 1, 2]


@settings(max_examples=100)
@given(
    n=st.integers(1, 30),
    dim=st.integers(1, 5) | st.sampled_from([100, 392, 784]),
    tolerance=st.floats(0.0, 1.0),
    seed=st.integers(0, 10**6),
)
def test_what_is_kept_is_apart_and_what_is_dropped_is_near_something_kept(
    n: int, dim: int, tolerance: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    things = torch.randn(n, dim, generator=generator)[torch.randint(n, (n,), generator=generator)]
    x = (things + tolerance * torch.randn(n, dim, generator=generator)).round(decimals=1)

    kept = distinct(x, tolerance).tolist()

    distance = (x[:, None] - x[None]).double().square().mean(dim=2).sqrt()
    for row in range(n):
        others = [distance[row, other].item() for other in kept if other < row]
        assert row in kept or min(others) <= tolerance + 1e-5
        assert row not in kept or min(others, default=2.0) > tolerance - 1e-5


def test_a_large_offset_does_not_make_different_particles_equal() -> None:
    x = 100.0 + 0.01 * torch.arange(5.0)[:, None]

    assert distinct(x, tolerance=0.0).tolist() == [0, 1, 2, 3, 4]
