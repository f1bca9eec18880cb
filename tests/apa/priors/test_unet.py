import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from apa.errors import InvalidArgument
from apa.priors.network import NetworkPrior
from apa.priors.unet import UNet, UNetConfig
from tests.apa.priors.networks import randomised, small_unet_prior


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 8)])
def test_the_estimate_has_the_shape_of_the_data_and_the_features_theirs(shape: tuple[int, int, int]) -> None:
    prior = small_unet_prior(shape)
    denoised = prior.denoise(torch.randn(5, *shape), torch.linspace(0.01, 1.0, 5))
    assert denoised.x_0_hat.shape == (5, *shape)
    assert denoised.features.shape == (5, prior.feature_dim)


def test_features_alone_equal_those_of_the_whole_pass() -> None:
    prior = small_unet_prior()
    x_t, t = torch.randn(4, 1, 8, 8), torch.rand(4).clamp(min=0.01)
    assert torch.equal(prior.features(x_t, t), prior.denoise(x_t, t).features)


def test_each_particle_is_denoised_at_its_own_time() -> None:
    prior = small_unet_prior()
    x_t, t = torch.randn(3, 1, 8, 8), torch.tensor([0.05, 0.4, 1.0])
    together = prior.denoise(x_t, t)
    for i in range(3):
        alone = prior.denoise(x_t[i : i + 1], t[i : i + 1])
        torch.testing.assert_close(together.x_0_hat[i], alone.x_0_hat[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.features[i], alone.features[0], rtol=1e-4, atol=1e-5)


def test_the_features_gradient_reaches_x_and_t_and_never_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = small_unet_prior()
    x_t = torch.randn(2, 1, 8, 8, requires_grad=True)
    t = torch.tensor([0.3, 0.6], requires_grad=True)
    visited: list[str] = []

    def note_backward(state: object) -> Tensor:
        out = decode(state)
        out.register_hook(lambda _: visited.append("decoder"))  # type: ignore[no-untyped-call]
        return out

    decode = prior.network.decode
    monkeypatch.setattr(prior.network, "decode", note_backward)
    gradients = torch.autograd.grad(prior.denoise(x_t, t).features.sum(), (x_t, t))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
    assert visited == []


def test_the_estimate_is_differentiable_in_x_and_in_t() -> None:
    prior = small_unet_prior()
    prior.network.double()
    x_t = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0.4], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, time: prior.denoise(x, time).x_0_hat, (x_t, t))


def test_features_are_twice_differentiable() -> None:
    prior = small_unet_prior()
    prior.network.double()
    x_t = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0.4], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x, time: prior.features(x, time).sin().sum(), (x_t, t))


def test_close_to_the_data_the_estimate_is_the_particle_itself() -> None:
    prior = small_unet_prior()
    x_t = torch.randn(2, 1, 8, 8)
    t = torch.full((2,), 1e-4)
    torch.testing.assert_close(prior.denoise(x_t, t).x_0_hat, x_t, rtol=0, atol=0.05)


def test_a_shape_that_cannot_be_halved_twice_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="divisible by 4"):
        UNet(UNetConfig(data_shape=(1, 30, 28)))


def test_an_unknown_architecture_argument_is_refused() -> None:
    with pytest.raises(ValidationError, match="depth"):
        UNetConfig.model_validate({"data_shape": (1, 28, 28), "depth": 3})


def test_the_network_of_a_prior_is_frozen() -> None:
    prior: NetworkPrior = small_unet_prior()
    assert not any(parameter.requires_grad for parameter in prior.network.parameters())
    assert randomised(prior.network) is prior.network
