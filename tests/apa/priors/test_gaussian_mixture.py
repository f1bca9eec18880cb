import pytest
import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.priors import GaussianMixturePrior


def _prior(dtype: torch.dtype = torch.float64) -> GaussianMixturePrior:
    means = torch.tensor([[-2.0, 0.5], [1.0, 1.0], [3.0, -1.0]], dtype=dtype)
    variance = torch.tensor([[0.3, 0.5], [1.0, 0.2], [0.1, 0.1]], dtype=dtype)
    return GaussianMixturePrior(means, variance, torch.tensor([0.2, 0.5, 0.3], dtype=dtype))


def test_the_score_is_the_gradient_of_the_noised_log_density() -> None:
    prior = _prior()
    generator = torch.Generator().manual_seed(0)
    x_t = (2 * torch.randn(50, 2, generator=generator, dtype=torch.float64)).requires_grad_()
    t = torch.linspace(0.005, 1.0, 50, dtype=torch.float64)
    (expected,) = torch.autograd.grad(prior.log_density(x_t, t).sum(), x_t)
    torch.testing.assert_close(prior.score(x_t, t), expected, rtol=1e-8, atol=1e-8)


def test_the_estimate_is_differentiable_in_x_and_in_t() -> None:
    x_t = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0.1, 0.4, 0.7, 1.0], dtype=torch.float64, requires_grad=True)
    prior = _prior()
    assert torch.autograd.gradcheck(lambda x, time: prior.denoise(x, time).x_0_hat, (x_t, t))


def test_samples_have_the_mixtures_mean_and_variance() -> None:
    prior = _prior()
    x = prior.sample(200_000, torch.Generator().manual_seed(1))
    mean = prior.weights @ prior.means
    second_moment = prior.weights @ (prior.variance + prior.means**2)
    torch.testing.assert_close(x.mean(dim=0), mean, rtol=0, atol=0.02)
    torch.testing.assert_close(x.var(dim=0), second_moment - mean**2, rtol=0.02, atol=0)


def test_the_log_density_integrates_to_one() -> None:
    prior = _prior()
    axis = torch.linspace(-12, 12, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    cell = float(axis[1] - axis[0]) ** 2
    assert prior.log_density(grid).exp().sum().item() * cell == pytest.approx(1.0, abs=1e-6)


def test_one_variance_for_all_equals_the_same_diagonal_everywhere() -> None:
    means, weights = torch.randn(3, 4), torch.full((3,), 1 / 3)
    x_t, t = torch.randn(5, 4), torch.rand(5).clamp(min=0.01)
    one = GaussianMixturePrior(means, 0.7, weights)
    each = GaussianMixturePrior(means, torch.full((3, 4), 0.7), weights)
    assert torch.equal(one.denoise(x_t, t).x_0_hat, each.denoise(x_t, t).x_0_hat)
    assert one.content_hash == each.content_hash


def test_it_has_no_features() -> None:
    prior = _prior()
    x_t, t = torch.randn(5, 2, dtype=torch.float64), torch.full((5,), 0.5, dtype=torch.float64)
    assert prior.features(x_t, t).shape == (5, 0)
    assert prior.feature_dim == 0
    assert prior.data_shape == (2,)


def test_the_content_hash_tells_parameters_apart() -> None:
    means, weights = torch.zeros(1, 2), torch.ones(1)
    assert GaussianMixturePrior(means, 1.0, weights).content_hash != (
        GaussianMixturePrior(means, 1.5, weights).content_hash
    )


def test_weights_within_rounding_of_one_are_normalised() -> None:
    prior = GaussianMixturePrior(torch.zeros(3, 1), 1.0, torch.full((3,), 1 / 3))
    assert prior.weights.double().sum().item() == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize(
    ("means", "variance", "weights", "field"),
    [
        (torch.zeros(3), 1.0, torch.ones(3) / 3, "means"),
        (torch.tensor([[0.0], [float("nan")]]), 1.0, torch.tensor([0.5, 0.5]), "means"),
        (torch.zeros(2, 1, dtype=torch.int64), 1.0, torch.tensor([0.5, 0.5]), "means"),
        (torch.zeros(2, 1), 0.0, torch.tensor([0.5, 0.5]), "variance"),
        (torch.zeros(2, 1), -1.0, torch.tensor([0.5, 0.5]), "variance"),
        (torch.zeros(2, 1), float("inf"), torch.tensor([0.5, 0.5]), "variance"),
        (torch.zeros(2, 1), torch.ones(1, 2), torch.tensor([0.5, 0.5]), "variance"),
        (torch.zeros(2, 1), 1.0, torch.tensor([0.5, 0.6]), "weights"),
        (torch.zeros(2, 1), 1.0, torch.tensor([1.5, -0.5]), "weights"),
        (torch.zeros(2, 1), 1.0, torch.ones(1), "weights"),
    ],
)
def test_a_wrong_argument_is_named(
    means: Tensor, variance: Tensor | float, weights: Tensor, field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        GaussianMixturePrior(means, variance, weights)
    assert caught.value.field == field
    assert caught.value.expected
    assert caught.value.found
