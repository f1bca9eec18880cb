"""Policies: what is shown, why, and with which probability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from apa.records.sampling import CorrectorName
from apa.surrogates.base import Prediction
from sampler_service.selection import (
    POLICIES,
    Candidates,
    EpsilonGreedy,
    Round,
    UpperConfidenceBound,
    cold_start,
)

MEAN = torch.tensor([0.1, 0.9, 0.5, 0.3, 0.7])
STD = torch.tensor([2.0, 0.0, 0.0, 0.0, 0.0])


def _candidates(mean: Tensor = MEAN, std: Tensor = STD, corrector: CorrectorName = "fkc") -> Candidates:
    """Rows 10, 11, ... of a population, with weights that rank them the other way round."""
    return Candidates(torch.arange(10, 10 + len(mean)), Prediction(mean, std), -mean.double(), corrector)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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
    choices = EpsilonGreedy()(_candidates(), 4, Round(5, 10), _generator())

    assert [(c.index, c.reason, c.propensity) for c in choices[:3]] == [
        (11, "top", 1.0),
        (14, "top", 1.0),
        (12, "top", 1.0),
    ]
    assert choices[3].index in (10, 13)
    assert (choices[3].reason, choices[3].propensity) == ("random", 0.5)


def test_without_any_top_place_everything_is_random_and_still_only_k() -> None:
    choices = EpsilonGreedy(start=1.0, fall=0.0)(_candidates(), 3, Round(1, 10), _generator())

    assert [c.reason for c in choices] == ["random"] * 3
    assert [c.propensity for c in choices] == pytest.approx([0.6] * 3)


def test_random_places_are_taken_with_the_stated_propensity() -> None:
    generator, counts = _generator(), Counter[int]()
    for _ in range(2000):
        for choice in EpsilonGreedy()(_candidates(), 4, Round(1, 10), generator):
            counts[choice.index] += 1
            assert choice.propensity == (1.0 if choice.index in (11, 14) else pytest.approx(2 / 3))

    assert counts[11] == counts[14] == 2000
    for index in (10, 12, 13):
        # Standard error 0.0105: four of them.
        assert counts[index] / 2000 == pytest.approx(2 / 3, abs=0.042)


def test_clipped_populations_are_ranked_by_weight_and_all_others_by_prediction() -> None:
    last_round = Round(10, 10)

    by_weight = EpsilonGreedy()(_candidates(corrector="clipped"), 1, last_round, _generator())
    by_reward = EpsilonGreedy()(_candidates(corrector="twisted"), 1, last_round, _generator())

    assert by_weight[0].index == 10
    assert by_reward[0].index == 11


def test_ucb_is_drawn_to_what_it_does_not_know() -> None:
    choices = UpperConfidenceBound()(_candidates(), 3, Round(1, 10), _generator())

    assert [c.index for c in choices] == [10, 11, 14]
    assert {(c.reason, c.propensity) for c in choices} == {("top", 1.0)}


def test_the_score_of_ucb_sees_what_was_picked_before() -> None:
    def away_from_picks(candidates: Candidates, picked: Sequence[int]) -> Tensor:
        position = torch.arange(len(candidates)).float()
        return torch.stack([(position - p).abs() for p in picked]).amin(dim=0) if picked else -position

    choices = UpperConfidenceBound(away_from_picks)(_candidates(), 3, Round(1, 10), _generator())

    assert [c.index for c in choices] == [10, 14, 12]


@given(
    policy=st.sampled_from(sorted(POLICIES)),
    m=st.integers(1, 12),
    k=st.integers(1, 15),
    step=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
def test_a_slate_is_distinct_and_shorter_only_where_candidates_are_fewer(
    policy: str, m: int, k: int, step: int, seed: int
) -> None:
    candidates = _candidates(torch.randn(m, generator=_generator(seed)), torch.ones(m))

    choices = POLICIES[policy](candidates, k, Round(step, 9), _generator(seed))  # type: ignore[index]

    assert len({c.index for c in choices}) == len(choices) == min(k, m)
    assert all(0.0 < c.propensity <= 1.0 for c in choices)
    # Inclusion probabilities of a slate of fixed size sum to its size; what is not shown has the rest.
    random = [c for c in choices if c.reason == "random"]
    if random:
        rest = m - (len(choices) - len(random))
        assert random[0].propensity * rest == pytest.approx(len(random))


def test_a_cold_start_shows_the_first_with_an_even_chance() -> None:
    choices = cold_start(torch.tensor([0, 1, 3, 5]), k=3)

    assert [(c.index, c.reason, c.propensity) for c in choices] == [
        (0, "cold_start", 0.75),
        (1, "cold_start", 0.75),
        (3, "cold_start", 0.75),
    ]


def test_a_cold_start_with_too_few_distinct_particles_is_shorter() -> None:
    assert [c.propensity for c in cold_start(torch.tensor([0, 4]), k=3)] == [1.0, 1.0]
