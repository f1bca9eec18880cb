from __future__ import annotations

import pytest
import torch

from apa.errors import FailedPrecondition
from apa.surrogates import CnnSurrogate, GpSurrogate, Joint, LinearSurrogate, MlpSurrogate
from tests.apa.surrogates.toys import ToyPrior, draw, random_cnn, random_gp, random_mlp, random_surrogate

IMAGES, VECTORS = ToyPrior((1, 8, 8)), ToyPrior()


@pytest.mark.parametrize(
    ("surrogate", "prior"),
    [
        (random_surrogate(4), VECTORS),
        (random_cnn(), IMAGES),
        (random_mlp(), VECTORS),
        (random_gp(4), VECTORS),
        (random_gp(4, "item"), VECTORS),
    ],
    ids=["linear", "cnn", "mlp", "gp on features", "gp on items"],
)
def test_its_margins_are_the_prediction_in_standardised_units(
    surrogate: LinearSurrogate | CnnSurrogate | MlpSurrogate | GpSurrogate, prior: ToyPrior
) -> None:
    x_0 = draw(prior, 9)
    joint, prediction = surrogate.joint(prior, x_0), surrogate.predict(prior, x_0)
    mean = surrogate.reward_mean + surrogate.reward_scale * joint.mean
    std = surrogate.reward_scale * joint.covariance.diagonal().sqrt()
    torch.testing.assert_close(mean, prediction.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(std, prediction.std, rtol=1e-4, atol=1e-5)
    assert joint.mean.dtype == joint.covariance.dtype == torch.float64


def test_an_item_covaries_with_its_copy_as_with_itself_and_the_whole_is_a_covariance() -> None:
    x_0 = draw(VECTORS, 6)
    covariance = random_surrogate(5).joint(VECTORS, torch.cat([x_0, x_0[:1]])).covariance
    torch.testing.assert_close(covariance[0], covariance[-1])
    torch.testing.assert_close(covariance, covariance.T)
    assert float(torch.linalg.eigvalsh(covariance).min()) > -1e-9


def test_the_correlation_is_the_covariance_without_its_unit() -> None:
    covariance = random_surrogate(5).joint(VECTORS, draw(VECTORS, 6)).covariance
    std = covariance.diagonal().sqrt()
    correlation = Joint(torch.zeros(6), 1e-4 * covariance).correlation
    torch.testing.assert_close(correlation, covariance / (std[:, None] * std))
    assert bool((correlation.diagonal() == 1.0).all())


def test_what_is_known_for_sure_goes_with_nothing_but_itself() -> None:
    known = Joint(torch.zeros(2), torch.diag(torch.tensor([0.0, 4.0], dtype=torch.float64)))
    torch.testing.assert_close(known.correlation, torch.eye(2, dtype=torch.float64))


def test_another_prior_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match="a1b2"):
        random_surrogate(0).joint(ToyPrior(content_hash="other"), torch.zeros(1, 3))
