"""A surrogate on a device: all of it, and only the copy. `meta` stands in for a GPU where there is none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from apa.priors import Denoised
from apa.surrogates import Surrogate
from apa.surrogates.posterior import Posterior
from tests.apa.surrogates.toys import ToyPrior, draw, random_cnn, random_gp, random_mlp, random_surrogate

DEVICES = ["cpu", "meta", *(["cuda"] if torch.cuda.is_available() else [])]
SURROGATES: dict[str, tuple[Surrogate, ToyPrior]] = {
    "linear": (random_surrogate(0), ToyPrior()),
    "cnn": (random_cnn(), ToyPrior((1, 8, 8))),
    "mlp": (random_mlp(), ToyPrior()),
    "gp": (random_gp(0, "item"), ToyPrior()),
}


def _tensors(surrogate: Surrogate) -> list[Tensor]:
    """Everything that `value` and `predict` compute with."""
    found: list[Tensor] = []
    for value in vars(surrogate).values():
        match value:
            case Tensor():
                found.append(value)
            case nn.Module():
                found.extend(value.state_dict().values())
            case Posterior():
                found.extend([value.feature_mean, value.feature_scale, value.factor])
    return found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("family", SURROGATES)
def test_all_of_it_is_on_the_device_and_the_original_stays(family: str, device: str) -> None:
    surrogate, _ = SURROGATES[family]
    moved = surrogate.to(device)

    assert {tensor.device.type for tensor in _tensors(moved)} == {device}
    assert {tensor.device.type for tensor in _tensors(surrogate)} == {"cpu"}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("family", SURROGATES)
def test_it_steers_particles_of_that_device(family: str, device: str) -> None:
    surrogate, prior = SURROGATES[family]
    x_t = draw(prior, 3).to(device).requires_grad_()
    t = torch.full((3,), 0.3, device=device)
    features = torch.tanh(x_t.flatten(1)[:, :1]).repeat(1, 5)

    value = surrogate.to(device).value(x_t, t, Denoised(x_t, features))
    (gradient,) = torch.autograd.grad(value.sum(), x_t)

    assert (value.device.type, gradient.device.type) == (device, device)
    assert (value.shape, gradient.shape) == ((3,), x_t.shape)


@pytest.mark.parametrize("device", [device for device in DEVICES if device != "meta"])
@pytest.mark.parametrize("family", SURROGATES)
def test_it_predicts_the_same_on_every_device(family: str, device: str) -> None:
    surrogate, prior = SURROGATES[family]
    x = draw(prior, 4)

    here, there = surrogate.predict(prior, x), surrogate.to(device).predict(prior, x.to(device))

    assert there.mean.device.type == device
    torch.testing.assert_close(there.mean.cpu(), here.mean)
    torch.testing.assert_close(there.std.cpu(), here.std)


def test_the_levels_of_a_moved_head_are_still_read_on_the_host() -> None:
    surrogate = random_surrogate(0)

    assert surrogate.to("meta").level_values == surrogate.level_values == tuple(surrogate.levels.tolist())
