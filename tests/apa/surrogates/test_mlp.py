from __future__ import annotations

import pytest
import torch
from torch import Tensor

from apa.priors import GaussianMixturePrior
from apa.surrogates.mlp import FLOOR_STD
from tests.apa.surrogates.toys import ToyPrior, draw, random_mlp

PRIOR = GaussianMixturePrior(torch.tensor([[-1.0, 0.0, 0.5], [1.0, 0.5, 0.0]]), 0.2, torch.tensor([0.4, 0.6]))


@pytest.mark.parametrize("t", [0.05, 0.2, 0.35])
def test_the_gradient_of_the_value_is_that_of_finite_differences(t: float) -> None:
    surrogate, step = random_mlp(0), 1e-2
    x_t = draw(ToyPrior(), 6).requires_grad_()
    times = torch.full((6,), t, requires_grad=True)

    def value(x: Tensor, at: Tensor) -> Tensor:
        return surrogate.value(x, at, PRIOR.denoise(x, at))

    grad_x, grad_t = torch.autograd.grad(value(x_t, times).sum(), (x_t, times))
    assert float(grad_x.abs().max()) > 0.03
    with torch.no_grad():
        for axis in range(3):
            moved = step * torch.eye(3)[axis]
            expected = (value(x_t + moved, times) - value(x_t - moved, times)) / (2 * step)
            torch.testing.assert_close(grad_x[:, axis], expected, rtol=0.02, atol=3e-3)
        expected = (value(x_t, times + step * t) - value(x_t, times - step * t)) / (2 * step * t)
        torch.testing.assert_close(grad_t, expected, rtol=0.05, atol=2e-2)


def test_the_value_of_an_item_is_its_prediction_in_standardised_units() -> None:
    surrogate, prior = random_mlp(1), ToyPrior()
    x_0, t = draw(prior, 7), torch.full((7,), 0.1)
    value = surrogate.value(x_0, t, prior.denoise(x_0, t)).double()
    expected = surrogate.reward_mean + surrogate.reward_scale * value
    torch.testing.assert_close(surrogate.predict(prior, x_0).mean, expected, rtol=1e-4, atol=1e-4)


def test_the_joint_covariance_is_the_members_own_and_a_floor() -> None:
    surrogate, prior = random_mlp(3), ToyPrior()
    x_0 = draw(prior, 12)
    members = surrogate.network.members(x_0).double()
    expected = torch.cov(members.T) + FLOOR_STD**2 * torch.eye(12, dtype=torch.float64)
    covariance = surrogate.joint(prior, x_0).covariance
    torch.testing.assert_close(covariance, expected)
    assert torch.equal(covariance, covariance.T)
    assert float(torch.linalg.eigvalsh(covariance)[0]) > 0.9 * FLOOR_STD**2
