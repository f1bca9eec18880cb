from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from apa.records.session import FeedbackKindName
from apa.surrogates import Joint, LinearSurrogate
from tests.apa.surrogates.toys import random_surrogate
from trainer_worker.foreseen import Foreseen, foreseen
from trainer_worker.observations import Observations


def _surrogate(mean: float = 0.0, scale: float = 1.0) -> LinearSurrogate:
    """Only its scale matters: what it predicts is given."""
    found = random_surrogate(0)
    vars(found).update(reward_mean=mean, reward_scale=scale)
    return found


def _drawn(kind: FeedbackKindName, count: int, seed: int, noise: float = 1.0) -> tuple[Joint, Observations]:
    """Latents of 2 * count items that hang together, what is known of them, and answers about these.

    Of rewards, what is known has been learnt from the first half of the answers.
    """
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(2 * count, 3)) / math.sqrt(3)
    covariance = root @ root.T
    mean = rng.normal(size=2 * count)
    f = mean + root @ rng.normal(size=3)
    joint = Joint(torch.from_numpy(mean), torch.from_numpy(covariance))
    x = torch.zeros(2 * count, 1)
    alone = tuple((row,) for row in range(2 * count))
    if kind == "scalar":
        said = f + noise * rng.normal(size=2 * count)
        gain = covariance[:, :count] @ np.linalg.inv(covariance[:count, :count] + noise**2 * np.eye(count))
        mean = mean + gain @ (said - mean)[:count]
        joint = Joint(torch.from_numpy(mean), torch.from_numpy(covariance - gain @ covariance[:count]))
        return joint, Observations(x, kind, alone, torch.from_numpy(said))
    if kind == "binary":
        liked = rng.random(2 * count) < 1.0 / (1.0 + np.exp(-f))
        return joint, Observations(x, kind, alone, torch.from_numpy(liked.astype(float)))
    size = 2 if kind == "pairwise" else 4
    orders = []
    for _ in range(2 * count):
        shown = rng.choice(2 * count, size, replace=False)
        orders.append(tuple(int(i) for i in shown[np.argsort(-f[shown] - rng.gumbel(size=size))]))
    return joint, Observations(x, kind, tuple(orders), torch.zeros(2 * count).double())


def _unseen(observations: Observations) -> Tensor:
    """The second half."""
    return torch.arange(len(observations)) >= len(observations) // 2


def _standardised_gap(found: Foreseen) -> float:
    return float(found.error.mean() / (found.covariance.sum().sqrt() / len(found)))


@pytest.mark.parametrize("kind", ["scalar", "binary", "pairwise", "ranking"])
def test_the_mean_error_of_a_right_surrogate_is_as_large_as_it_expects(kind: FeedbackKindName) -> None:
    """Of 400 tastes: in its own units the mean is 0 +- 0.05, the variance 1 +- 0.07."""
    gaps = []
    for seed in range(400):
        joint, observations = _drawn(kind, 10, seed)
        gaps.append(_standardised_gap(foreseen(_surrogate(), joint, observations, _unseen(observations))))
    assert abs(float(np.mean(gaps))) < 0.15
    # A ranking's pairs are taken for one outcome, which is cautious.
    assert (0.3 if kind == "ranking" else 0.75) < float(np.var(gaps)) < 1.25


@pytest.mark.parametrize("kind", ["scalar", "binary", "pairwise", "ranking"])
def test_as_many_answers_are_covered_as_is_promised(kind: FeedbackKindName) -> None:
    covered = []
    for seed in range(100):
        joint, observations = _drawn(kind, 10, seed)
        covered.append(foreseen(_surrogate(), joint, observations, _unseen(observations)).covered.mean())
    # Sets of outcomes hold 90% at least, and mostly more.
    assert 0.86 < float(torch.stack(covered).mean()) <= (0.94 if kind == "scalar" else 1.0)


def test_rewards_are_compared_in_standard_deviations_whatever_the_users_units() -> None:
    joint, observations = _drawn("scalar", 10, 0)
    there = Observations(observations.x, "scalar", observations.rows, 1e4 + 1e3 * observations.values)
    here = foreseen(_surrogate(), joint, observations, _unseen(observations))
    found = foreseen(_surrogate(1e4, 1e3), joint, there, _unseen(there))
    torch.testing.assert_close(found.error, here.error)
    torch.testing.assert_close(found.covariance, here.covariance)
    unit = max(1.0, float(observations.values.std(correction=0)))
    torch.testing.assert_close(here.error, (joint.mean - observations.values)[10:] / unit)


def test_rewards_that_hardly_differed_until_now_are_no_unit_to_measure_by() -> None:
    joint = Joint(torch.zeros(4).double(), 1e-2 * torch.eye(4).double())
    observations = Observations.scalar(torch.zeros(4, 1), torch.tensor([0.0, 1e-9, 1.0, 0.0]))
    found = foreseen(_surrogate(0.0, 1e-9), joint, observations, torch.tensor([False, False, True, True]))
    assert float(found.error.abs().max()) < 3.0


def test_a_confident_order_that_was_wrong_is_an_error_above_nothing() -> None:
    joint = Joint(torch.tensor([3.0, -3.0]).double(), 1e-4 * torch.eye(2).double())
    for rows, sign in (((0, 1), -1.0), ((1, 0), 1.0)):
        observations = Observations(torch.zeros(2, 1), "pairwise", (rows,), torch.zeros(1).double())
        found = foreseen(_surrogate(), joint, observations, torch.tensor([True]))
        assert math.copysign(1.0, float(found.error)) == sign
        assert float(found.covered) == (0.0 if sign > 0 else 1.0)


def test_a_like_that_was_given_a_tenth_or_less_is_outside() -> None:
    joint = Joint(torch.tensor([-3.0, -1.0, 3.0]).double(), 1e-6 * torch.eye(3).double())
    observations = Observations(torch.zeros(3, 1), "binary", ((0,), (1,), (2,)), torch.ones(3).double())
    found = foreseen(_surrogate(), joint, observations, torch.ones(3, dtype=torch.bool))
    assert found.covered.tolist() == [0.0, 1.0, 1.0]
