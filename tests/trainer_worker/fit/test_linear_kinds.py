"""The linear heads on likes, comparisons and rankings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.records.session import FeedbackKindName
from apa.surrogates import LinearSurrogate, load
from tests.apa.surrogates.toys import ToyPrior, draw
from trainer_worker import gate
from trainer_worker.fit import fit
from trainer_worker.fit.head import fit_head
from trainer_worker.fit.linear import standardised
from trainer_worker.fit.standardise import feature_scale
from trainer_worker.observations import Observations

PRIOR = ToyPrior(feature_dim=12)
KINDS: list[FeedbackKindName] = ["scalar", "binary", "pairwise", "ranking"]
CHOICES = KINDS[1:]


def _taste(x: Tensor) -> Tensor:
    return 2.0 * torch.tanh(x[:, 0]) - x[:, 1]


def _answers(kind: FeedbackKindName, x: Tensor, seed: int = 0) -> Observations:
    """Honest answers about all of x: comparisons of neighbours, rankings of four."""
    latent = _taste(x).tolist()
    if kind == "scalar":
        return Observations.scalar(x, _taste(x))
    if kind == "binary":
        return likes(x, (_taste(x) > 0).double())
    size = 2 if kind == "pairwise" else 4
    rng = np.random.default_rng(seed)
    orders = (rng.choice(len(x), size, replace=False).tolist() for _ in range(len(x)))
    rows = tuple(tuple(sorted(order, key=lambda row: -latent[row])) for order in orders)
    return Observations(x, kind, rows, torch.zeros(len(rows), dtype=torch.float64))


def likes(x: Tensor, values: Tensor) -> Observations:
    return Observations(x, "binary", tuple((row,) for row in range(len(x))), values.double())


def _fit(observations: Observations) -> LinearSurrogate:
    surrogate = fit("linear", PRIOR, observations, 0)
    assert isinstance(surrogate, LinearSurrogate)
    return surrogate


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_a_taste_from_every_kind_of_answer(kind: FeedbackKindName) -> None:
    x, new = draw(PRIOR, 60), draw(PRIOR, 200, seed=1)
    observations = _answers(kind, x)
    surrogate = _fit(observations)
    gate.check(surrogate.to_bytes(), PRIOR, observations)
    assert _correlation(surrogate.joint(PRIOR, new).mean, _taste(new)) > 0.85
    assert load(surrogate.to_bytes()).to_bytes() == surrogate.to_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_standardised_reward_means_about_the_same_in_every_kind(kind: FeedbackKindName) -> None:
    x, new = draw(PRIOR, 60), draw(PRIOR, 400, seed=1)
    assert 0.6 < float(_fit(_answers(kind, x)).joint(PRIOR, new).mean.std()) < 1.4


@pytest.mark.parametrize("kind", KINDS)
def test_answers_that_tell_nothing_steer_hardly(kind: FeedbackKindName) -> None:
    x, new = draw(PRIOR, 60), draw(PRIOR, 400, seed=1)
    shuffled = _answers(kind, x)
    generator = torch.Generator().manual_seed(5)
    order = torch.randperm(len(x), generator=generator)
    random = Observations(x[order], kind, shuffled.rows, shuffled.values)
    assert float(_fit(random).joint(PRIOR, new).mean.std()) < 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_the_noisier_heads_follow_the_one_at_the_data_end(kind: FeedbackKindName) -> None:
    x, new = draw(PRIOR, 60), draw(PRIOR, 100, seed=1)
    surrogate = _fit(_answers(kind, x))
    t = PRIOR.schedule.time_of_log_snr(torch.full((100,), 2.0))
    x_t = PRIOR.schedule.scale(t)[:, None] * new
    value = surrogate.value(x_t, t, PRIOR.denoise(x_t, t))
    assert _correlation(value, surrogate.joint(PRIOR, new).mean) > 0.8


@pytest.mark.parametrize("liked", [1.0, 0.0])
@pytest.mark.parametrize("count", [1, 8, 80])
def test_equal_likes_are_a_certain_base_rate_and_steer_nowhere(count: int, liked: float) -> None:
    x, new = draw(PRIOR, count), draw(PRIOR, 300, seed=1)
    observations = likes(x, torch.full((count,), liked))
    surrogate = _fit(observations)
    gate.check(surrogate.to_bytes(), PRIOR, observations)
    prediction = surrogate.predict(PRIOR, new)
    towards = prediction.mean if liked else 1.0 - prediction.mean
    assert bool((towards > 0.5).all())
    assert float(towards.mean()) > {1: 0.55, 8: 0.75, 80: 0.95}[count]
    assert float(surrogate.joint(PRIOR, new).mean.std()) < 0.5


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_predicted_probabilities_are_calibrated(rate: float) -> None:
    """Among items predicted alike, as many are liked as predicted: eight users' likes of 150 items each."""
    new = draw(PRIOR, 2000, seed=1)
    offset = math.log(rate / (1 - rate))
    predicted, liked_by = [], torch.sigmoid(offset + 2.0 * _taste(new).double())
    for seed in range(8):
        x = draw(PRIOR, 150, seed=10 + seed)
        draws = torch.rand(150, generator=torch.Generator().manual_seed(seed))
        values = (draws < torch.sigmoid(offset + 2.0 * _taste(x))).double()
        predicted.append(_fit(likes(x, values)).predict(PRIOR, new).mean)
    together, truth = torch.cat(predicted), liked_by.repeat(8)
    for low in (0.0, 0.25, 0.5, 0.75):
        among = (together >= low) & (together < low + 0.25)
        assert abs(float(truth[among].mean() - together[among].mean())) < 0.08


@pytest.mark.parametrize("flipped", [0.0, 0.1, 0.2])
def test_likes_teach_at_least_as_much_as_when_taken_for_numbers(flipped: float) -> None:
    new = draw(PRIOR, 400, seed=1)
    difference = []
    for seed in range(12):
        x = draw(PRIOR, 40, seed=10 + seed)
        generator = torch.Generator().manual_seed(seed)
        values = ((_taste(x) > 1.0) ^ (torch.rand(40, generator=generator) < flipped)).double()
        logistic, squared = _fit(likes(x, values)), _fit(Observations.scalar(x, values))
        difference.append(
            _correlation(logistic.joint(PRIOR, new).mean, _taste(new))
            - _correlation(squared.joint(PRIOR, new).mean, _taste(new))
        )
    assert sum(difference) / len(difference) > -0.01


@pytest.mark.parametrize("kind", ["scalar", "binary"])
def test_two_answers_about_one_item_are_those_about_two_alike(kind: FeedbackKindName) -> None:
    features = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double()
    values = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]).double()
    scale = feature_scale(features)
    rows = tuple((row,) for row in range(7))
    one = Observations(features, kind, (*rows[:6], (0,)), values)
    two = Observations(torch.cat([features, features[:1]]), kind, rows, values)
    first, second = (fit_head(standardised(side.x, scale), side) for side in (one, two))
    # Each in the user's units: what the items have in common may weigh them differently.
    torch.testing.assert_close(
        first.weights * first.reward_scale, second.weights * second.reward_scale, atol=1e-6, rtol=1e-6
    )


@pytest.mark.parametrize(
    "observations",
    [
        Observations(torch.zeros(2, 3), "pairwise", ((0, 0),), torch.zeros(1).double()),
        Observations(torch.zeros(3, 3), "pairwise", ((0, 1, 2),), torch.zeros(1).double()),
        Observations(torch.zeros(2, 3), "ranking", ((0,),), torch.zeros(1).double()),
        Observations(torch.zeros(2, 3), "ranking", ((0, 2),), torch.zeros(1).double()),
        Observations(torch.zeros(2, 3), "binary", ((0,),), torch.full((1,), 0.5).double()),
    ],
    ids=["itself", "three", "alone", "unknown", "half"],
)
def test_answers_that_cannot_be_are_refused(observations: Observations) -> None:
    with pytest.raises(InvalidArgument):
        fit("linear", ToyPrior(), observations, 0)
