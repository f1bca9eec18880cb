"""What every family but the default owes to every kind of answer."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.records.session import FeedbackKindName
from apa.surrogates import Surrogate, load
from tests.apa.surrogates.toys import ToyPrior, draw
from tests.trainer_worker.fit.answers import KINDS, honest, rank_correlation
from trainer_worker import gate
from trainer_worker.fit import fit
from trainer_worker.observations import Observations

Family = Literal["cnn", "mlp", "gp"]
FAMILIES: tuple[Family, ...] = ("cnn", "mlp", "gp")
PRIORS = {"vector": ToyPrior((4,), feature_dim=0), "image": ToyPrior((1, 12, 12), feature_dim=0)}
AT_LEAST = {"cnn": 0.7, "mlp": 0.85, "gp": 0.85}
"""Rank correlation with the truth on unseen items; 80 answers without noise."""
CASES = [("cnn", "image"), ("mlp", "vector"), ("gp", "vector"), ("mlp", "image"), ("gp", "image")]


def _items(prior: ToyPrior, count: int, seed: int = 0) -> Tensor:
    """Vectors, or pictures of two blotches: white noise has no taste that eighty answers could tell."""
    if len(prior.data_shape) == 1:
        return draw(prior, count, seed)
    generator = torch.Generator().manual_seed(seed)
    centres = 11.0 * torch.rand(count, 2, 2, generator=generator)
    grid = torch.stack(torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij"), dim=-1)
    squared = (grid - centres[:, :, None, None]).square().sum(dim=-1)
    return torch.exp(-squared / 8.0).sum(dim=1, keepdim=True)


def _taste(x: Tensor) -> Tensor:
    """A curved one of vectors; of pictures, how much of them is at the top left."""
    if x.dim() == 2:
        return 2.0 * torch.tanh(x[:, 0]) - 0.5 * x[:, 1].square()
    return 0.1 * x[:, 0, :6, :6].sum(dim=(1, 2))


def _fit(family: Family, prior: ToyPrior, observations: Observations, seed: int = 0) -> Surrogate:
    """As the sampler gets it."""
    return load(fit(family, prior, observations, seed).to_bytes())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("family", "items"), CASES)
def test_it_learns_a_taste_from_every_kind_of_answer(
    family: Family, items: str, kind: FeedbackKindName
) -> None:
    prior = PRIORS[items]
    x, new = _items(prior, 80), _items(prior, 300, seed=1)
    observations = honest(kind, x, _taste(x))
    surrogate = _fit(family, prior, observations)

    gate.check(surrogate.to_bytes(), prior, observations)
    predicted = surrogate.predict(prior, new)
    assert rank_correlation(predicted.mean, _taste(new)) > AT_LEAST[family]
    assert rank_correlation(surrogate.joint(prior, new).mean, _taste(new)) > AT_LEAST[family]
    if kind == "binary":
        assert bool(((predicted.mean > 0) & (predicted.mean < 1)).all()), "likes are probabilities"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("family", "items"), CASES)
def test_a_standardised_reward_means_about_the_same_in_every_family_and_kind(
    family: Family, items: str, kind: FeedbackKindName
) -> None:
    prior = PRIORS[items]
    x, new = _items(prior, 80), _items(prior, 300, seed=1)
    surrogate = _fit(family, prior, honest(kind, x, _taste(x)))
    assert 0.5 < float(surrogate.joint(prior, new).mean.std()) < 1.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["mlp", "gp"])
def test_uncertainty_grows_away_from_the_answers(family: Family, kind: FeedbackKindName) -> None:
    prior = PRIORS["vector"]
    x = _items(prior, 80)
    surrogate = _fit(family, prior, honest(kind, x, _taste(x)))

    def unknown(items: Tensor) -> float:
        return float(surrogate.joint(prior, items).covariance.diagonal().sqrt().mean())

    assert unknown(x) < unknown(3.0 * draw(prior, 80, seed=2))
    assert 2.0 * unknown(x) < unknown(8.0 * draw(prior, 80, seed=2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_answers_and_seed_give_the_same_bytes(family: Family, kind: FeedbackKindName) -> None:
    prior = PRIORS["image"]
    x = _items(prior, 12)
    observations = honest(kind, x, _taste(x))
    first = fit(family, prior, observations, 1).to_bytes()
    torch.rand(1)  # The global random state must not matter.
    assert fit(family, prior, observations, 1).to_bytes() == first
    if family != "gp":
        assert fit(family, prior, observations, 2).to_bytes() != first


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("kind", ["scalar", "binary"])
@pytest.mark.parametrize("count", [1, 8])
def test_equal_answers_still_give_a_usable_surrogate(
    family: Family, kind: FeedbackKindName, count: int, value: float
) -> None:
    prior = PRIORS["image"]
    x, new = _items(prior, count), _items(prior, 40, seed=1)
    rows = tuple((row,) for row in range(count))
    observations = Observations(x, kind, rows, torch.full((count,), value, dtype=torch.float64))
    surrogate = _fit(family, prior, observations)
    gate.check(surrogate.to_bytes(), prior, observations)
    prediction = surrogate.predict(prior, new)
    assert bool((torch.isfinite(prediction.mean) & (prediction.std > 0)).all())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["pairwise", "ranking"])
def test_one_order_is_enough_to_begin(family: Family, kind: FeedbackKindName) -> None:
    prior = PRIORS["image"]
    x = _items(prior, 2)
    surrogate = _fit(family, prior, Observations(x, kind, ((1, 0),), torch.zeros(1).double()))
    worse, better = surrogate.joint(prior, x).mean.tolist()
    assert better > worse


@pytest.mark.parametrize("family", ["mlp", "gp"])
@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_it_ranks_the_same_wherever_the_users_scale_lies(family: Family, offset: float) -> None:
    prior = PRIORS["vector"]
    x, new = _items(prior, 30), _items(prior, 50, seed=1)
    rewards = 1e-2 * _taste(x).double()
    near = _fit(family, prior, Observations.scalar(x, rewards))
    far = _fit(family, prior, Observations.scalar(x, offset + rewards))
    predicted = near.predict(prior, new).mean
    torch.testing.assert_close(far.predict(prior, new).mean - offset, predicted, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("family", ["mlp", "gp", "linear"])
def test_only_the_network_of_a_cnn_goes_on_training(family: Literal["mlp", "gp", "linear"]) -> None:
    prior = ToyPrior()
    x = draw(prior, 8)
    observations = Observations.scalar(x, x[:, 0])
    previous = fit(family, prior, observations, 0)
    with pytest.raises(InvalidArgument, match="cnn"):
        fit(family, prior, observations, 0, previous=previous)
