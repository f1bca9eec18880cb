from __future__ import annotations

import math

import pytest
import torch

from apa.records.session import FeedbackKindName
from trainer_worker.fit.choices import Choices
from trainer_worker.observations import Observations

F = torch.tensor([0.3, -1.2, 2.0, 0.7], dtype=torch.float64)


def observed(kind: FeedbackKindName, *rows: tuple[int, ...], values: tuple[float, ...] = ()) -> Observations:
    """Answers about four items."""
    numbers = torch.tensor(values or (0.0,) * len(rows), dtype=torch.float64)
    return Observations(torch.zeros(4, 3), kind, rows, numbers)


LIKES = observed("binary", (0,), (1,), (1,), values=(1.0, 0.0, 1.0))
COMPARISONS = observed("pairwise", (2, 0), (0, 1), (1, 2))
RANKINGS = observed("ranking", (2, 3, 0, 1), (1, 0))


def test_a_like_is_bernoulli_of_the_logistic_latent() -> None:
    p = torch.sigmoid(F)
    expected = p[0].log() + (1 - p[1]).log() + p[1].log()
    torch.testing.assert_close(Choices.of(LIKES).log_likelihood(F), expected)


def test_a_comparison_is_bradley_terry() -> None:
    ability = F.exp()
    expected = sum(math.log(ability[i] / (ability[i] + ability[j])) for i, j in COMPARISONS.rows)
    assert float(Choices.of(COMPARISONS).log_likelihood(F)) == pytest.approx(expected)


def test_a_ranking_is_plackett_luce() -> None:
    ability = F.exp().tolist()
    expected = 0.0
    for order in RANKINGS.rows:
        left = list(order)
        while len(left) > 1:
            expected += math.log(ability[left[0]] / sum(ability[i] for i in left))
            left.pop(0)
    assert float(Choices.of(RANKINGS).log_likelihood(F)) == pytest.approx(expected)


def test_the_probabilities_of_all_orders_are_a_distribution() -> None:
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    total = sum(math.exp(Choices.of(observed("ranking", order)).log_likelihood(F)) for order in orders)
    assert total == pytest.approx(1.0)


@pytest.mark.parametrize("observations", [LIKES, COMPARISONS, RANKINGS], ids=lambda o: o.kind)
def test_slope_and_curvature_are_those_of_automatic_differentiation(observations: Observations) -> None:
    choices = Choices.of(observations)
    f = F.clone().requires_grad_()
    (slope,) = torch.autograd.grad(choices.log_likelihood(f), f)
    hessian = torch.autograd.functional.hessian(choices.log_likelihood, F)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(choices.gradient(F), slope)
    torch.testing.assert_close(choices.curvature(F), -hessian)


@pytest.mark.parametrize("observations", [COMPARISONS, RANKINGS], ids=lambda o: o.kind)
def test_an_order_says_nothing_of_the_level(observations: Observations) -> None:
    choices = Choices.of(observations)
    torch.testing.assert_close(choices.log_likelihood(F + 5.0), choices.log_likelihood(F))


def test_far_latents_do_not_overflow() -> None:
    far = 1e4 * F
    for observations in (LIKES, COMPARISONS, RANKINGS):
        choices = Choices.of(observations)
        assert bool(torch.isfinite(choices.log_likelihood(far)))
        assert bool(torch.isfinite(choices.curvature(far)).all())
