from __future__ import annotations

import math

import pytest
import torch

from apa.records.session import FeedbackKindName
from apa.surrogates import GpSurrogate, load
from apa.surrogates.coordinates import FeatureCoordinates, ItemCoordinates
from apa.surrogates.gp import rbf
from tests.apa.surrogates.toys import ToyPrior, draw
from trainer_worker.fit import fit
from trainer_worker.fit import gp as gp_module
from trainer_worker.fit.transport import fit_transport
from trainer_worker.observations import Observations

PRIOR = ToyPrior()
PLACES = torch.tensor([[1.6, 0.0, 0.0], [-1.6, 0.4, 0.0]])


def _taste(x: torch.Tensor) -> torch.Tensor:
    """Likes what is near either of two places."""
    return torch.exp(-torch.cdist(x.double(), PLACES.double()).square()).amax(dim=1)


def _fit(observations: Observations, prior: ToyPrior = PRIOR) -> GpSurrogate:
    surrogate = fit("gp", prior, observations, 0)
    assert isinstance(surrogate, GpSurrogate)
    return surrogate


def _answers(kind: FeedbackKindName, x: torch.Tensor) -> Observations:
    reward = _taste(x)
    if kind == "scalar":
        return Observations.scalar(x, reward)
    if kind == "binary":
        rows = tuple((row,) for row in range(len(x)))
        return Observations(x, kind, rows, (reward > 0.2).double())
    size = 2 if kind == "pairwise" else 4
    shuffled = torch.randperm(len(x), generator=torch.Generator().manual_seed(3)).reshape(-1, size).tolist()
    orders = tuple(tuple(sorted(group, key=lambda row: -float(reward[row]))) for group in shuffled)
    return Observations(x, kind, orders, torch.zeros(len(orders)).double())


def _correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.argsort().argsort(), b.argsort().argsort()]).double())[0, 1])


@pytest.mark.parametrize(
    ("kind", "least"), [("scalar", 0.9), ("binary", 0.75), ("pairwise", 0.75), ("ranking", 0.7)]
)
def test_it_learns_a_taste_with_two_modes_from_every_kind_of_answer(
    kind: FeedbackKindName, least: float
) -> None:
    surrogate, new = _fit(_answers(kind, draw(PRIOR, 80))), draw(PRIOR, 400, seed=1)
    best = surrogate.predict(PRIOR, new).mean.argsort(descending=True)[:20]
    assert float(_taste(new)[best].mean() / _taste(new).sort(descending=True).values[:20].mean()) > least
    if kind == "binary":
        mean = surrogate.predict(PRIOR, new).mean
        assert bool(((mean > 0) & (mean < 1)).all())


def test_it_is_the_textbook_regression_at_the_strength_that_it_chose() -> None:
    x, new = draw(PRIOR, 30), draw(PRIOR, 9, seed=1)
    surrogate = _fit(Observations.scalar(x, _taste(x)))
    y = (_taste(x) - surrogate.reward_mean) / surrogate.reward_scale

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        k: torch.Tensor = rbf(a.double(), b.double(), surrogate.bandwidth) + 1.0
        return k

    # The noise is not kept in the artifact; the one that reproduces the mean must give the variance as well.
    def mean_at(ratio: float) -> torch.Tensor:
        weights: torch.Tensor = torch.linalg.solve(kernel(x, x) + ratio * torch.eye(30).double(), y)
        return kernel(new, x) @ weights

    joint = surrogate.joint(PRIOR, new)
    ratios = torch.logspace(-3, 4, 57, dtype=torch.float64).tolist()
    ratio = min(ratios, key=lambda one: float((mean_at(one) - joint.mean).square().sum()))
    torch.testing.assert_close(mean_at(ratio), joint.mean, rtol=1e-4, atol=1e-4)
    inner = torch.linalg.solve(kernel(x, x) + ratio * torch.eye(30).double(), kernel(x, new))
    covariance = surrogate.weight_std**2 * (kernel(new, new) - kernel(new, x) @ inner)
    torch.testing.assert_close(covariance, joint.covariance, rtol=1e-3, atol=1e-4)


def test_it_knows_least_far_from_what_was_answered_and_never_promises_more_than_it_saw() -> None:
    x = draw(PRIOR, 60)
    surrogate = _fit(Observations.scalar(x, _taste(x)))
    far = 100.0 * torch.nn.functional.normalize(draw(PRIOR, 50, seed=2))
    at_far, at_seen = surrogate.predict(PRIOR, far), surrogate.predict(PRIOR, x)
    assert float(at_far.std.min()) > float(at_seen.std.max())
    assert float(at_far.mean.max()) < float(_taste(x).max())


def test_the_level_of_what_is_only_ordered_is_no_uncertainty() -> None:
    x = draw(PRIOR, 80)
    joint = _fit(_answers("pairwise", x)).joint(PRIOR, x)
    level = joint.covariance.mean()
    assert float(level) < 1e-3 * float(joint.covariance.diagonal().mean())
    assert float(torch.linalg.eigvalsh(joint.covariance)[0]) > -1e-4


def test_the_same_answers_give_the_same_artifact_which_loads_back() -> None:
    observations = _answers("scalar", draw(PRIOR, 12))
    blob = _fit(observations).to_bytes()
    assert _fit(observations).to_bytes() == blob
    assert load(blob).to_bytes() == blob


@pytest.mark.parametrize("rewards", [[0.5], [0.5, 0.5, 0.5], [1e6, -1e6]])
def test_hardly_any_answers_are_enough_for_finite_predictions(rewards: list[float]) -> None:
    x = draw(PRIOR, len(rewards))
    prediction = _fit(Observations.scalar(x, torch.tensor(rewards))).predict(PRIOR, draw(PRIOR, 20, seed=4))
    assert bool(torch.isfinite(prediction.mean).all() and torch.isfinite(prediction.std).all())


def test_copies_of_one_item_do_not_break_it() -> None:
    x = draw(PRIOR, 5).repeat(6, 1)
    surrogate = _fit(Observations.scalar(x, _taste(x)))
    torch.testing.assert_close(surrogate.predict(PRIOR, x[:5]).mean, _taste(x[:5]), atol=0.05, rtol=0.0)


def test_of_many_items_those_are_kept_that_represent_them(monkeypatch: pytest.MonkeyPatch) -> None:
    x, new = draw(PRIOR, 200), draw(PRIOR, 300, seed=1)
    observations = Observations.scalar(x, _taste(x))
    whole = _fit(observations)
    monkeypatch.setattr(gp_module, "MAX_CENTRES", 100)
    thinned = _fit(observations)
    assert len(thinned.items) <= 100 < len(whole.items)
    assert _correlation(thinned.predict(PRIOR, new).mean, whole.predict(PRIOR, new).mean) > 0.9


def test_images_are_compared_by_features_where_it_is_known_how_they_look_in_noise() -> None:
    prior = ToyPrior((1, 4, 4), feature_dim=6)
    transport = fit_transport(prior, draw(prior, 200), 0)
    x = draw(prior, 20)
    observations = Observations.scalar(x, x.mean(dim=(1, 2, 3)))
    with_features = fit("gp", prior, observations, 0, transport=transport)
    assert isinstance(with_features, GpSurrogate)
    assert isinstance(with_features.coordinates, FeatureCoordinates)
    assert with_features.prior_hash == prior.content_hash
    assert load(with_features.to_bytes()).to_bytes() == with_features.to_bytes()
    without = fit("gp", prior, observations, 0)
    assert isinstance(without, GpSurrogate)
    assert isinstance(without.coordinates, ItemCoordinates)


def test_vectors_are_compared_as_they_are_also_where_there_are_features() -> None:
    transport = fit_transport(PRIOR, draw(PRIOR, 200), 0)
    x = draw(PRIOR, 10)
    surrogate = fit("gp", PRIOR, Observations.scalar(x, _taste(x)), 0, transport=transport)
    assert isinstance(surrogate, GpSurrogate)
    assert isinstance(surrogate.coordinates, ItemCoordinates)


def test_nothing_steers_where_nothing_can_be_told() -> None:
    prior = ToyPrior((1, 4, 4), feature_dim=6)
    transport = fit_transport(prior, draw(prior, 200), 0)
    x = draw(prior, 20)
    surrogate = fit("gp", prior, Observations.scalar(x, x.mean(dim=(1, 2, 3))), 0, transport=transport)
    x_t = draw(prior, 5, seed=2).requires_grad_()
    t = prior.schedule.time_of_log_snr(torch.full((5,), -7.0))
    value = surrogate.value(x_t, t, prior.denoise(x_t, t))
    (gradient,) = torch.autograd.grad(value.sum(), x_t)
    assert float(gradient.abs().max()) < 1e-6
    assert math.isfinite(float(value.detach().sum()))
