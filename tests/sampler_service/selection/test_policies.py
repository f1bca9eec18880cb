"""Policies: what is shown, why, and with which probability."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from apa.records.session import PolicyName
from sampler_service.selection import (
    POLICIES,
    Candidates,
    EpsilonGreedy,
    GumbelTopK,
    Policy,
    Round,
    Thompson,
    UpperConfidenceBound,
    cold_start,
    exploring_start,
)
from sampler_service.selection.picking import pick_in_turn
from tests.sampler_service.selection.toys import MEAN, candidates, generator, resembling


@pytest.mark.parametrize(
    ("k", "at", "expected"),
    [
        (8, Round(1, 10), 5),
        (8, Round(10, 10), 0),
        (10, Round(5, 10), 4),
        (1, Round(1, 10), 0),
        (4, Round(0, 1), 3),
    ],
)
def test_epsilon_falls_from_eight_tenths_to_one_tenth(k: int, at: Round, expected: int) -> None:
    assert EpsilonGreedy().num_random(k, at) == expected


def test_after_the_budget_epsilon_stays_where_it_ended() -> None:
    assert (
        EpsilonGreedy().num_random(100, Round(25, 10)) == EpsilonGreedy().num_random(100, Round(10, 10)) == 10
    )


def test_epsilon_greedy_shows_the_best_first_then_random_ones_of_the_rest() -> None:
    choices = EpsilonGreedy()(candidates(), 4, Round(5, 10), generator())

    assert [(c.index, c.reason, c.propensity) for c in choices[:3]] == [
        (11, "top", 1.0),
        (14, "top", 1.0),
        (12, "top", 1.0),
    ]
    assert choices[3].index in (10, 13)
    assert (choices[3].reason, choices[3].propensity) == ("random", 0.5)


def test_without_any_top_place_everything_is_random_and_still_only_k() -> None:
    choices = EpsilonGreedy(start=1.0, fall=0.0)(candidates(), 3, Round(1, 10), generator())

    assert [c.reason for c in choices] == ["random"] * 3
    assert [c.propensity for c in choices] == pytest.approx([0.6] * 3)


def test_random_places_are_taken_with_the_stated_propensity() -> None:
    drawing, counts = generator(), Counter[int]()
    for _ in range(2000):
        for choice in EpsilonGreedy()(candidates(), 4, Round(1, 10), drawing):
            counts[choice.index] += 1
            assert choice.propensity == (1.0 if choice.index in (11, 14) else pytest.approx(2 / 3))

    assert counts[11] == counts[14] == 2000
    for index in (10, 12, 13):
        # Standard error 0.0105: four of them.
        assert counts[index] / 2000 == pytest.approx(2 / 3, abs=0.042)


def test_clipped_populations_are_ranked_by_weight_and_all_others_by_prediction() -> None:
    last_round = Round(10, 10)

    by_weight = EpsilonGreedy()(candidates(corrector="clipped"), 1, last_round, generator())
    by_reward = EpsilonGreedy()(candidates(corrector="twisted"), 1, last_round, generator())

    assert by_weight[0].index == 10
    assert by_reward[0].index == 11


def test_ucb_is_drawn_to_what_it_does_not_know() -> None:
    choices = UpperConfidenceBound()(candidates(), 3, Round(1, 10), generator())

    assert [c.index for c in choices] == [10, 11, 14]
    assert {(c.reason, c.propensity) for c in choices} == {("top", 1.0)}


@pytest.mark.parametrize(("step", "expected"), [(0, 2.0), (5, 1.25), (10, 0.5), (25, 0.5)])
def test_optimism_falls_over_the_budget_and_stays_where_it_ended(step: int, expected: float) -> None:
    known, unknown = 0.0, 1.0
    among = candidates(torch.zeros(2), torch.tensor([known, unknown]))

    assert [c.score for c in UpperConfidenceBound()(among, 2, Round(step, 10), generator())] == [
        expected,
        0.0,
    ]


@pytest.mark.parametrize("name", ["ucb", "batch_ucb", "gumbel_top_k"])
def test_what_is_uncertain_is_shown_early_and_what_is_good_is_shown_late(name: PolicyName) -> None:
    policy = GumbelTopK(1e-3) if name == "gumbel_top_k" else POLICIES[name]
    among = candidates(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.8]), correlation=torch.eye(2))

    first, last = (policy.inclusion(among, 1, Round(step, 10), generator()) for step in (1, 10))

    # Gumbel top-k leaves each a chance.
    assert first.tolist() == pytest.approx([0.0, 1.0], abs=0.02)
    assert last.tolist() == pytest.approx([1.0, 0.0], abs=0.02)


def test_a_score_sees_what_was_picked_before() -> None:
    def away_from_picks(candidates: Candidates, picked: Sequence[int]) -> Tensor:
        position = torch.arange(len(candidates)).float()
        return torch.stack([(position - p).abs() for p in picked]).amin(dim=0) if picked else -position

    picks = pick_in_turn(away_from_picks, candidates(), 3)

    assert picks == [(0, 0.0), (4, 4.0), (2, 2.0)]


def test_every_choice_says_what_it_was_ranked_by() -> None:
    optimistic = UpperConfidenceBound()(candidates(), 2, Round(10, 10), generator())
    greedy = EpsilonGreedy()(candidates(), 5, Round(1, 10), generator())

    assert [c.score for c in optimistic] == pytest.approx([1.1, 0.9])
    assert {c.index: c.score for c in greedy} == {
        index: pytest.approx(mean) for index, mean in zip(range(10, 15), MEAN.tolist(), strict=True)
    }


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_slates_are_as_frequent_as_their_propensities_say(name: PolicyName) -> None:
    policy, at, drawing = POLICIES[name], Round(3, 10), generator(7)
    among = candidates(6.0 * torch.rand(9, generator=generator(1)), correlation=resembling(9))
    expected = policy.inclusion(among, 4, at, drawing)
    counts = torch.zeros(9, dtype=torch.float64)
    for _ in range(2000):
        counts[slate_of(policy, among, 4, at, drawing)] += 1

    assert float(expected.sum()) == pytest.approx(4.0)
    # Nine binomial shares at 4.5 standard errors: a false alarm in 16,000 runs.
    # An estimated expectation has an error of its own.
    draws = [2000, policy.num_draws] if isinstance(policy, Thompson) else [2000]
    error = ((expected * (1.0 - expected)).clamp(min=1e-4) * sum(1.0 / n for n in draws)).sqrt()
    assert ((counts / 2000 - expected).abs() < 4.5 * error + 1e-9).all()


def slate_of(policy: Policy, among: Candidates, k: int, at: Round, drawing: torch.Generator) -> list[int]:
    """The positions of a slate, without what some need to say how likely it was."""
    if isinstance(policy, GumbelTopK):
        return [pick.position for pick in policy.draw(among, k, at, drawing)]
    if isinstance(policy, Thompson):
        policy = replace(policy, num_draws=1)
    return [c.index - 10 for c in policy(among, k, at, drawing)]


@given(
    name=st.sampled_from(sorted(POLICIES)),
    m=st.integers(1, 12),
    k=st.integers(1, 15),
    step=st.integers(1, 9),
    seed=st.integers(0, 1000),
    scale=st.sampled_from([0.0, 1e-9, 1.0, 1e6]),
    certain=st.booleans(),
)
def test_a_slate_is_distinct_and_shorter_only_where_candidates_are_fewer(
    name: PolicyName, m: int, k: int, step: int, seed: int, scale: float, certain: bool
) -> None:
    policy, at = POLICIES[name], Round(step, 9)
    mean = scale * torch.randn(m, generator=generator(seed), dtype=torch.float64)
    std = torch.zeros(m) if certain else scale * torch.ones(m)
    among = candidates(mean, std, correlation=resembling(m))

    choices = policy(among, k, at, generator(seed))
    inclusion = policy.inclusion(among, k, at, generator(seed))

    assert len({c.index for c in choices}) == len(choices) == min(k, m)
    assert all(0.0 < c.propensity <= 1.0 for c in choices)
    assert all(math.isfinite(c.score) for c in choices)
    assert float(inclusion.sum()) == pytest.approx(min(k, m))
    assert float(inclusion.min()) >= 0.0
    assert float(inclusion.max()) <= 1.0


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_nothing_to_choose_from_gives_an_empty_slate(name: PolicyName) -> None:
    nothing = candidates(torch.empty(0), correlation=torch.empty(0, 0))

    assert POLICIES[name](nothing, 3, Round(1, 2), generator()) == []
    assert POLICIES[name].inclusion(nothing, 3, Round(1, 2), generator()).shape == (0,)


def test_a_cold_start_shows_the_first_with_an_even_chance() -> None:
    choices = cold_start(torch.tensor([0, 1, 3, 5]), k=3)

    assert [(c.index, c.reason, c.propensity) for c in choices] == [
        (0, "cold_start", 0.75),
        (1, "cold_start", 0.75),
        (3, "cold_start", 0.75),
    ]


def test_an_exploring_start_shows_one_of_each_kind_before_a_second_of_any() -> None:
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    x = (centres[:, None] + 0.1 * torch.randn(3, 10, 2, generator=generator())).flatten(0, 1)

    choices = exploring_start(torch.arange(30), x, k=4)

    assert choices[0].index == 0
    assert sorted(choice.index // 10 for choice in choices[:3]) == [0, 1, 2]
    assert {(choice.reason, choice.propensity) for choice in choices} == {("cold_start", 1.0)}


def test_an_exploring_start_leaves_least_unknown_of_all_draws() -> None:
    """Each pick, by the formula of conditional normals, has the largest variance given those before it."""
    x = torch.randn(12, 3, 2, generator=generator(3), dtype=torch.float64)
    picked = [choice.index for choice in exploring_start(torch.arange(12), x, k=5)]

    squared = (x.flatten(1)[:, None] - x.flatten(1)[None]).square().sum(dim=2)
    kernel = torch.exp(-0.5 * squared / (0.3 * squared.mean()))
    for count in range(1, 5):
        known, others = picked[:count], [i for i in range(12) if i not in picked[:count]]
        precision = torch.linalg.inv(kernel[known][:, known])
        left = {i: float(1.0 - kernel[i, known] @ precision @ kernel[known, i]) for i in others}
        assert picked[count] == max(left, key=left.__getitem__)


@pytest.mark.parametrize("m", [0, 1, 3])
def test_an_exploring_start_takes_what_there_is(m: int) -> None:
    copies = torch.ones(m, 1, 2, 2)

    assert [c.index for c in exploring_start(torch.arange(m), copies, k=4)] == list(range(m))


def test_a_cold_start_with_too_few_distinct_particles_is_shorter() -> None:
    assert [c.propensity for c in cold_start(torch.tensor([0, 4]), k=3)] == [1.0, 1.0]
