"""Posterior sampling: it explores what it does not know, and says how likely its slates were."""

from __future__ import annotations

import pytest
import torch

from sampler_service.selection import EpsilonGreedy, Round, Thompson
from tests.sampler_service.selection.toys import candidates, generator, resembling

AT = Round(1, 10)
KNOWN_AND_UNKNOWN = candidates(
    torch.tensor([1.0, 0.9, 0.0, 0.0]),
    torch.tensor([0.0, 0.0, 2.0, 2.0]),
    correlation=torch.eye(4, dtype=torch.float64),
)
BOTH = pytest.mark.parametrize("policy", [Thompson(), Thompson(each_its_own=True)], ids=["one", "each"])


@BOTH
def test_it_explores_what_greedy_never_shows(policy: Thompson) -> None:
    greedy = EpsilonGreedy(start=0.0, fall=0.0).inclusion(KNOWN_AND_UNKNOWN, 1, AT, generator())
    thompson = policy.inclusion(KNOWN_AND_UNKNOWN, 1, AT, generator())

    assert greedy.tolist() == [1.0, 0.0, 0.0, 0.0]
    # Either of two normals above 1 at half a standard deviation: 1 - Phi(0.5)^2, shared; error 0.016.
    assert thompson.tolist() == pytest.approx([0.478, 0.0, 0.261, 0.261], abs=0.06)


def test_one_draw_keeps_copies_together_and_draws_of_their_own_do_not() -> None:
    """Two pairs of copies, equal in mean: which pair is better is unknown, but not which of a pair."""
    pairs = torch.tensor([[1.0, 1.0, 0.0, 0.0]] * 2 + [[0.0, 0.0, 1.0, 1.0]] * 2, dtype=torch.float64)
    among = candidates(torch.zeros(4), torch.ones(4), correlation=pairs)

    def share_of_mixed_slates(policy: Thompson) -> float:
        drawing = generator(1)
        slates = [{c.index // 12 for c in policy(among, 2, AT, drawing)} for _ in range(400)]
        return sum(len(pairs) == 2 for pairs in slates) / 400

    # Of copies a millionth of the variance is their own.
    assert share_of_mixed_slates(Thompson(num_draws=1)) < 0.01
    # An own draw takes the other pair, or the copy, with even chances: standard error 0.025.
    assert share_of_mixed_slates(Thompson(each_its_own=True, num_draws=1)) == pytest.approx(0.5, abs=0.1)


@BOTH
def test_its_scores_are_rewards_of_the_draw(policy: Thompson) -> None:
    choices = policy(KNOWN_AND_UNKNOWN, 4, AT, generator(3))

    scores = {c.index: c.score for c in choices}
    assert [scores[10], scores[11]] == pytest.approx([1.0, 0.9])
    assert {c.reason for c in choices} == {"sampled"}
    assert [c.propensity for c in choices] == [1.0] * 4


@BOTH
def test_inverse_propensities_are_unbiased_and_none_is_below_the_floor(policy: Thompson) -> None:
    """E[shown / propensity] = 1 for every candidate that is shown at all often, whatever the draws for it."""
    policy = Thompson(policy.each_its_own, num_draws=63)
    among = candidates(torch.linspace(0.0, 1.5, 6), torch.full((6,), 0.5), correlation=resembling(6))
    drawing = generator(11)
    totals, squares = torch.zeros(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    for _ in range(1500):
        for choice in policy(among, 2, AT, drawing):
            assert choice.propensity >= 1 / 64
            totals[choice.index - 10] += 1 / choice.propensity
            squares[choice.index - 10] += 1 / choice.propensity**2
    mean = totals / 1500
    error = ((squares / 1500 - mean**2) / 1500).sqrt()
    often = policy.inclusion(among, 2, AT, drawing) > 0.1
    assert int(often.sum()) >= 3
    assert bool(((mean - 1.0).abs() < 4.5 * error)[often].all())


def test_the_same_seed_gives_the_same_slate_and_propensities() -> None:
    among = candidates(torch.zeros(9), correlation=resembling(9))

    assert Thompson()(among, 4, AT, generator(5)) == Thompson()(among, 4, AT, generator(5))
