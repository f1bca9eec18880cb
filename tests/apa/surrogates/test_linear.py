from __future__ import annotations

import pytest
import torch

from apa.errors import FailedPrecondition
from apa.surrogates.linear import data_end_features
from tests.apa.surrogates.toys import ToyPrior, draw, random_surrogate


def test_the_value_is_differentiable_in_x_and_in_t() -> None:
    prior, surrogate = ToyPrior(), random_surrogate(0)

    def value(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return surrogate.value(x_t, t, prior.denoise(x_t, t))

    x_t = draw(prior, 6).double().requires_grad_()
    t = torch.tensor([0.02, 0.15, 0.3, 0.45, 0.6, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(value, (x_t, t))


def test_a_particle_has_the_same_value_whatever_shares_its_batch() -> None:
    prior, surrogate = ToyPrior(), random_surrogate(1)
    x_t, t = draw(prior, 5), torch.tensor([0.05, 0.2, 0.4, 0.6, 0.8])
    together = surrogate.value(x_t, t, prior.denoise(x_t, t))
    alone = [
        surrogate.value(x_t[i : i + 1], t[i : i + 1], prior.denoise(x_t[i : i + 1], t[i : i + 1]))
        for i in range(5)
    ]
    torch.testing.assert_close(together, torch.cat(alone))


def test_the_value_near_the_data_end_is_the_prediction_in_standardised_units() -> None:
    prior, surrogate = ToyPrior(), random_surrogate(2)
    x_0 = draw(prior, 7)
    prediction = surrogate.predict(prior, x_0)
    t = prior.schedule.time_of_log_snr(torch.full((7,), 6.0))
    x_t = prior.schedule.scale(t)[:, None] * x_0
    value = surrogate.value(x_t, t, prior.denoise(x_t, t))
    torch.testing.assert_close(prediction.mean, 2.5 + 1.5 * value.double(), rtol=1e-4, atol=1e-4)


def test_the_standard_deviation_is_that_of_the_explicit_covariance() -> None:
    prior, surrogate = ToyPrior(), random_surrogate(3)
    x_0 = draw(prior, 4)
    p = surrogate.posterior
    covariance = p.weight_std**2 * (torch.eye(6) - p.factor.T @ p.factor)
    features = (data_end_features(prior, x_0, 6.0) - p.feature_mean) / p.feature_scale
    z = torch.cat([features, torch.ones(4, 1)], dim=1)
    expected = 1.5 * (z @ covariance @ z.T).diagonal().sqrt()
    torch.testing.assert_close(surrogate.predict(prior, x_0).std, expected.double(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(p.covariance(data_end_features(prior, x_0, 6.0)), z @ covariance @ z.T)


def test_another_prior_is_refused() -> None:
    surrogate = random_surrogate(0)
    with pytest.raises(FailedPrecondition, match="a1b2") as caught:
        surrogate.predict(ToyPrior(content_hash="other"), torch.zeros(1, 3))
    assert caught.value.found == "other"
