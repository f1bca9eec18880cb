from __future__ import annotations

import pytest
import torch

from apa.errors import InvalidArgument
from apa.surrogates import CnnSurrogate, Surrogate
from tests.apa.surrogates.toys import ToyPrior, draw
from trainer_worker.fit import fit
from trainer_worker.observations import Observations

PRIOR = ToyPrior((1, 12, 12))


def _fit(x: torch.Tensor, rewards: torch.Tensor, seed: int) -> Surrogate:
    return fit("cnn", PRIOR, Observations.scalar(x, rewards), seed)


def _taste(x: torch.Tensor) -> torch.Tensor:
    return 5.0 + 10.0 * x[:, :, :6].mean(dim=(1, 2, 3))


def test_the_same_seed_gives_the_same_network_and_another_seed_another() -> None:
    x = draw(PRIOR, 12)
    first = _fit(x, _taste(x), 1).to_bytes()
    torch.rand(1)  # The global random state must not matter.
    assert _fit(x, _taste(x), 1).to_bytes() == first
    assert _fit(x, _taste(x), 2).to_bytes() != first


def test_it_fits_what_it_was_shown_in_the_users_units() -> None:
    x = draw(PRIOR, 40)
    prediction = _fit(x, _taste(x), 0).predict(PRIOR, x)
    error = (prediction.mean - _taste(x)).square().mean() / _taste(x).var()
    assert float(error) < 0.1
    assert bool((prediction.std >= 0).all())


def test_it_learns_as_well_where_rewards_are_large() -> None:
    x = draw(PRIOR, 12)
    rewards = 1e-2 * _taste(x).double()
    near, far = _fit(x, rewards, 0), _fit(x, 1e6 + rewards, 0)
    predicted = near.predict(PRIOR, x).mean
    torch.testing.assert_close(far.predict(PRIOR, x).mean - 1e6, predicted, rtol=1e-3, atol=1e-4)


def test_its_value_ignores_time_and_has_a_gradient() -> None:
    x = draw(PRIOR, 6)
    surrogate = _fit(x, _taste(x), 0)
    x_t = x.clone().requires_grad_()
    early, late = torch.full((6,), 0.1), torch.full((6,), 0.9)
    value = surrogate.value(x_t, early, PRIOR.denoise(x_t, early))
    assert torch.equal(value, surrogate.value(x_t, late, PRIOR.denoise(x_t, late)))
    (gradient,) = torch.autograd.grad(value.sum(), x_t)
    assert float(gradient.abs().sum()) > 0
    assert not surrogate.depends_on_t


def test_items_that_are_no_images_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="images"):
        fit("cnn", ToyPrior(), Observations.scalar(torch.zeros(2, 3), torch.zeros(2)), 0)


def test_a_network_goes_on_training_on_what_is_new_and_keeps_what_it_knew() -> None:
    x = draw(PRIOR, 60)
    first, later = Observations.scalar(x[:40], _taste(x[:40])), Observations.scalar(x[40:], _taste(x[40:]))
    before = fit("cnn", PRIOR, first, 0)
    continued = fit("cnn", PRIOR, later, 0, previous=before)
    anew = fit("cnn", PRIOR, later, 0)
    assert isinstance(before, CnnSurrogate)
    assert isinstance(continued, CnnSurrogate)

    def error(surrogate: Surrogate, of: Observations) -> float:
        predicted = surrogate.predict(PRIOR, of.x).mean
        return float((predicted - of.values).square().mean() / _taste(x).var())

    assert error(continued, later) < 0.5 * error(before, later), "it learnt what was new"
    assert error(continued, first) < 0.7 * error(anew, first), "and forgot less than one that began anew"
    assert (continued.reward_mean, continued.reward_scale) == (before.reward_mean, before.reward_scale)
    assert fit("cnn", PRIOR, later, 7, previous=before).to_bytes() == continued.to_bytes()


def test_the_network_that_goes_on_training_is_a_copy() -> None:
    x = draw(PRIOR, 16)
    before = fit("cnn", PRIOR, Observations.scalar(x, _taste(x)), 0)
    blob = before.to_bytes()
    fit("cnn", PRIOR, Observations.scalar(x, -_taste(x)), 0, previous=before)
    assert before.to_bytes() == blob


def test_only_a_network_of_its_own_family_goes_on_training() -> None:
    x = draw(PRIOR, 8)
    observations = Observations.scalar(x, _taste(x))
    with pytest.raises(InvalidArgument, match="cnn"):
        fit("cnn", PRIOR, observations, 0, previous=fit("mlp", PRIOR, observations, 0))
