"""Inclusion probabilities of sampling without replacement, against all orders and against draws."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sampler_service.selection import GumbelTopK, Round
from sampler_service.selection.gumbel_top_k import FLOOR
from sampler_service.selection.inclusion import inclusion_probabilities
from tests.sampler_service.selection.toys import candidates, generator

AT = Round(1, 10)


def by_enumeration(logits: Tensor, k: int) -> Tensor:
    """(M,): the probabilities of all ordered slates (Plackett-Luce), added up."""
    weights = (logits - logits.max()).exp().tolist()
    found = torch.zeros(len(weights), dtype=torch.float64)
    for slate in itertools.permutations(range(len(weights)), k):
        left, probability = list(range(len(weights))), 1.0
        for one in slate:
            probability *= weights[one] / sum(weights[other] for other in left)
            left.remove(one)
        found[list(slate)] += probability
    return found


@pytest.mark.parametrize("spread", [0.0, 1.0, 5.0, 30.0, 200.0])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_they_are_those_of_all_orders_added_up(spread: float, k: int) -> None:
    logits = spread * torch.randn(6, generator=generator(3), dtype=torch.float64)

    found = inclusion_probabilities(logits, k)

    torch.testing.assert_close(found, by_enumeration(logits, k), rtol=1e-8, atol=1e-300)


@given(m=st.integers(1, 60), k=st.integers(1, 70), spread=st.floats(0.0, 300.0), seed=st.integers(0, 1000))
def test_they_add_up_to_the_slate_and_rise_with_the_logit(m: int, k: int, spread: float, seed: int) -> None:
    logits = spread * torch.randn(m, generator=generator(seed), dtype=torch.float64)

    found = inclusion_probabilities(logits, k)

    assert float(found.sum()) == pytest.approx(min(k, m), abs=1e-7)
    # exp(-700) is where float64 ends.
    assert bool((found[logits > logits.max() - 650.0] > 0.0).all())
    assert bool((found <= 1.0).all())
    assert bool((found[logits.argsort()].diff() >= -1e-9).all())


@pytest.mark.parametrize(("m", "k"), [(400, 8), (300, 100), (120, 119)])
def test_many_candidates_and_long_slates_are_as_exact(m: int, k: int) -> None:
    logits = 4.0 * torch.randn(m, generator=generator(1), dtype=torch.float64)

    assert float(inclusion_probabilities(logits, k).sum()) == pytest.approx(k, abs=1e-6)


def test_draws_of_gumbel_top_k_come_as_often_as_that() -> None:
    mean = torch.randn(20, generator=generator(5), dtype=torch.float64)
    policy, among, drawing = GumbelTopK(), candidates(mean), generator(6)
    counts = torch.zeros(20, dtype=torch.float64)
    for _ in range(10_000):
        counts[[pick.position for pick in policy.draw(among, 6, AT, drawing)]] += 1

    expected = policy.inclusion(among, 6, AT, drawing)
    for choice in policy(among, 6, AT, drawing):
        assert choice.propensity == float(expected[choice.index - 10])
    # Twenty binomial shares at 4.5 standard errors: a false alarm in 7,000 runs.
    error = (expected * (1.0 - expected) / 10_000).sqrt()
    assert bool(((counts / 10_000 - expected).abs() < 4.5 * error + 1e-3).all())


def test_a_temperature_near_zero_is_ucb_but_for_the_floor_and_a_high_one_is_even() -> None:
    among = candidates(torch.arange(8.0))

    cold = GumbelTopK(1e-3).inclusion(among, 3, AT, generator())
    hot = GumbelTopK(1e3).inclusion(among, 3, AT, generator())

    # The last place is drawn between the third best and the five others, all of these at the floor.
    floor = math.exp(-FLOOR)
    others, third = floor / (1.0 + 5.0 * floor), 1.0 / (1.0 + 5.0 * floor)
    assert cold.tolist() == pytest.approx([others] * 5 + [third, 1.0, 1.0], abs=1e-9)
    assert hot.tolist() == pytest.approx([3 / 8] * 8, abs=1e-3)


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e3, -5e5)])
def test_the_unit_of_the_rewards_changes_nothing(scale: float, shift: float) -> None:
    mean = torch.randn(10, generator=generator(2), dtype=torch.float64)
    std = torch.rand(10, generator=generator(3), dtype=torch.float64)

    plain = GumbelTopK()(candidates(mean, std), 4, AT, generator(1))
    other = GumbelTopK()(candidates(scale * mean + shift, scale * std), 4, AT, generator(1))

    assert [c.index for c in plain] == [c.index for c in other]
    assert [c.propensity for c in plain] == pytest.approx([c.propensity for c in other])
    assert [c.score for c in other] == pytest.approx([scale * c.score + shift for c in plain])


def test_equal_bounds_are_drawn_evenly() -> None:
    choices = GumbelTopK()(candidates(torch.ones(8)), 2, Round(10, 10), generator())

    assert [c.propensity for c in choices] == pytest.approx([0.25, 0.25])
    assert [c.score for c in choices] == [1.5, 1.5]
    assert {c.reason for c in choices} == {"sampled"}
