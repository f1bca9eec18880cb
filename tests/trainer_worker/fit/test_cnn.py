from __future__ import annotations

import pytest
import torch

from apa.errors import InvalidArgument
from apa.surrogates import Surrogate
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
