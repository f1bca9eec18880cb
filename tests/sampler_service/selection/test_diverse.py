"""Batch policies: fewer look-alikes than the plain ones, at no loss where nothing looks alike."""

from __future__ import annotations

import pytest
import torch

from apa.records.session import PolicyName
from sampler_service.selection import POLICIES, Round
from sampler_service.selection.resemblance import factor, joint_draws, share_of_variance_left
from tests.sampler_service.selection.toys import candidates, generator, resembling

LAST = Round(10, 10)
LOOK_ALIKE = torch.eye(8, dtype=torch.float64)
"""Four that are nearly one, and four of their own."""
LOOK_ALIKE[:4, :4] = 0.05 * torch.eye(4) + 0.95
TWO_KINDS = candidates(
    torch.tensor([1.0, 0.99, 0.98, 0.97, 0.9, 0.8, 0.7, 0.6]), torch.full((8,), 0.5), correlation=LOOK_ALIKE
)


def shown(name: PolicyName, k: int = 4) -> list[int]:
    return [c.index - 10 for c in POLICIES[name](TWO_KINDS, k, LAST, generator())]


@pytest.mark.parametrize(
    ("plain", "batch"), [("ucb", "batch_ucb"), ("epsilon_greedy", "batch_epsilon_greedy")]
)
def test_a_batch_shows_fewer_look_alikes_than_the_plain_policy(plain: PolicyName, batch: PolicyName) -> None:
    assert sum(one < 4 for one in shown(plain)) == 4
    assert sum(one < 4 for one in shown(batch)) <= 2
    assert shown(batch)[0] == shown(plain)[0] == 0


def test_thompson_with_draws_of_their_own_shows_fewer_look_alikes_too() -> None:
    def look_alikes(name: PolicyName) -> float:
        return float(POLICIES[name].inclusion(TWO_KINDS, 4, LAST, generator())[:4].sum())

    # Standard error of each at most 0.06.
    assert look_alikes("batch_thompson") < look_alikes("thompson") + 0.5


@pytest.mark.parametrize("name", ["batch_ucb", "batch_epsilon_greedy"])
def test_picks_after_the_first_say_that_they_are_diverse(name: PolicyName) -> None:
    choices = POLICIES[name](TWO_KINDS, 3, LAST, generator())

    assert [c.reason for c in choices] == ["top", "diverse", "diverse"]
    assert [c.propensity for c in choices] == [1.0] * 3


@pytest.mark.parametrize(
    ("plain", "batch"), [("ucb", "batch_ucb"), ("epsilon_greedy", "batch_epsilon_greedy")]
)
def test_where_nothing_resembles_anything_a_batch_is_the_plain_slate(
    plain: PolicyName, batch: PolicyName
) -> None:
    mean = torch.randn(9, generator=generator(4), dtype=torch.float64)
    among = candidates(mean, correlation=torch.eye(9, dtype=torch.float64))

    slates = [POLICIES[name](among, 5, LAST, generator()) for name in (plain, batch)]

    assert [c.index for c in slates[0]] == [c.index for c in slates[1]]


def test_a_pick_lowers_the_bound_of_what_resembles_it_to_the_exact_posterior() -> None:
    """The bound of the second pick, by the formula of conditional normals."""
    std, rho = torch.tensor([2.0, 3.0]), 0.6
    among = candidates(
        torch.tensor([5.0, 1.0]), std, correlation=torch.tensor([[1.0, rho], [rho, 1.0]]).double()
    )

    choices = POLICIES["batch_ucb"](among, 2, LAST, generator())

    assert [c.score for c in choices] == pytest.approx([6.0, 1.0 + 1.5 * (1 - rho**2) ** 0.5], rel=1e-5)


def test_the_share_left_is_that_of_conditional_normals() -> None:
    correlation = 0.7 * resembling(7) + 0.3 * torch.eye(7, dtype=torch.float64)
    among = candidates(torch.zeros(7), correlation=correlation)
    picked, others = [1, 4], [0, 2, 3, 5, 6]

    left = share_of_variance_left(among, picked)

    precision = torch.linalg.inv(correlation)[others][:, others]
    torch.testing.assert_close(left[others], torch.linalg.inv(precision).diagonal(), rtol=1e-4, atol=1e-5)
    assert left[picked].tolist() == pytest.approx([0.0, 0.0], abs=1e-5)


def test_exact_copies_leave_nothing_and_break_nothing() -> None:
    among = candidates(torch.zeros(5), correlation=torch.ones(5, 5, dtype=torch.float64))

    assert share_of_variance_left(among, [0, 1, 2]).tolist() == pytest.approx([0.0] * 5, abs=1e-5)
    draws = joint_draws(among, 50, generator())
    assert float(draws.std(dim=1).max()) < 0.01
    assert float(draws[:, 0].std()) == pytest.approx(1.0, abs=0.35)


def test_joint_draws_have_the_mean_and_the_covariance_asked_for() -> None:
    std = torch.tensor([1.0, 2.0, 0.5, 1.5])
    among = candidates(torch.tensor([3.0, -1.0, 0.0, 7.0]), std, correlation=resembling(4))

    draws = joint_draws(among, 20_000, generator(2))

    covariance = std[:, None] * resembling(4) * std
    torch.testing.assert_close(draws.mean(dim=0), among.prediction.mean.double(), rtol=0, atol=0.06)
    torch.testing.assert_close(draws.T.cov(), covariance, rtol=0, atol=0.16)


def test_a_matrix_that_rounding_made_indefinite_still_has_a_factor() -> None:
    indefinite = torch.ones(3, 3, dtype=torch.float64)
    indefinite[0, 1] = indefinite[1, 0] = 1.0 - 1e-4
    assert float(torch.linalg.eigvalsh(indefinite).min()) < -1e-6

    root = factor(indefinite)

    torch.testing.assert_close(root @ root.T, indefinite, rtol=0, atol=2e-4)
