from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from apa.errors import DataLoss, NumericalError
from apa.records.session import FeedbackKindName, SurrogateFamily
from apa.surrogates import LinearSurrogate
from tests.apa.surrogates.toys import ToyPrior, draw
from trainer_worker import gate
from trainer_worker.fit import fit
from trainer_worker.observations import Observations

PRIOR = ToyPrior()
X = draw(PRIOR, 20)
REWARDS = 0.2 + X[:, 0]
OBSERVED = Observations.scalar(X, REWARDS)


def _fitted() -> LinearSurrogate:
    surrogate = fit("linear", PRIOR, OBSERVED, 0)
    assert isinstance(surrogate, LinearSurrogate)
    return surrogate


@pytest.mark.parametrize("count", [1, 2, 20])
def test_a_fit_passes(count: int) -> None:
    for rewards in (REWARDS[:count], torch.full((count,), 0.3)):
        observed = Observations.scalar(X[:count], rewards)
        gate.check(fit("linear", PRIOR, observed, 0).to_bytes(), PRIOR, observed)


def test_one_that_is_worse_than_the_mean_is_stopped() -> None:
    wrong = _fitted()
    wrong = replace(wrong, weights=-wrong.weights, intercepts=-wrong.intercepts)
    with pytest.raises(NumericalError, match="not published"):
        gate.check(wrong.to_bytes(), PRIOR, OBSERVED)


def _choices(kind: FeedbackKindName) -> Observations:
    """Honest likes, or orders of three in a row."""
    if kind == "binary":
        rows = tuple((row,) for row in range(20))
        return Observations(X, kind, rows, (X[:, 0] > 0).double())
    size = 2 if kind == "pairwise" else 3
    shown = [range(row, row + size) for row in range(20 - size + 1)]
    orders = tuple(tuple(sorted(rows, key=lambda row: -float(X[row, 0]))) for rows in shown)
    return Observations(X, kind, orders, torch.zeros(len(orders)).double())


@pytest.mark.parametrize("kind", ["binary", "pairwise", "ranking"])
def test_a_fit_to_choices_passes_and_its_opposite_is_stopped(kind: FeedbackKindName) -> None:
    observed = _choices(kind)
    right = fit("linear", PRIOR, observed, 0)
    assert isinstance(right, LinearSurrogate)
    gate.check(right.to_bytes(), PRIOR, observed)
    wrong = replace(right, weights=-right.weights, intercepts=-right.intercepts)
    with pytest.raises(NumericalError, match="log loss"):
        gate.check(wrong.to_bytes(), PRIOR, observed)


def test_one_whose_predictions_overflow_is_stopped() -> None:
    huge = replace(_fitted(), reward_mean=1e308, reward_scale=1e308)
    with pytest.raises(NumericalError, match="finite"):
        gate.check(huge.to_bytes(), PRIOR, OBSERVED)


def test_one_that_does_not_load_back_is_stopped() -> None:
    with pytest.raises(DataLoss):
        gate.check(_fitted().to_bytes()[:-8], PRIOR, OBSERVED)


@pytest.mark.parametrize("family", ["linear", "gp"])
@pytest.mark.parametrize("liked", [0.0, 1.0])
def test_answers_that_all_agree_are_learnt_from(family: SurrogateFamily, liked: float) -> None:
    for count in (1, 8, 64, 200):
        x = draw(PRIOR, count)
        observed = Observations(
            x, "binary", tuple((row,) for row in range(count)), torch.full((count,), liked).double()
        )
        gate.check(fit(family, PRIOR, observed, 0).to_bytes(), PRIOR, observed)
