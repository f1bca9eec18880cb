from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from apa.errors import DataLoss, FailedPrecondition
from apa.surrogates import GpSurrogate, architecture, load, values_of, version_of
from apa.surrogates.gp import rbf
from tests.apa.surrogates.toys import ToyPrior, draw, random_gp

SPACES = ("features", "item")


@pytest.mark.parametrize("space", SPACES)
def test_the_value_is_differentiable_in_x_and_in_t(space: str) -> None:
    prior, surrogate = ToyPrior(), random_gp(0, space)

    def value(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        # The item's own space does not see t, but by the denoiser; this one passes x through.
        return surrogate.value(x_t, t, prior.denoise(x_t, t)) + 0.0 * t

    x_t = draw(prior, 5).double().requires_grad_()
    t = torch.tensor([0.02, 0.15, 0.3, 0.45, 0.6], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(value, (x_t, t))


@pytest.mark.parametrize("space", SPACES)
def test_many_processes_give_what_each_gives_alone(space: str) -> None:
    prior = ToyPrior()
    surrogates = [random_gp(seed, space, count) for seed, count in ((0, 4), (1, 9), (2, 1))]
    assert len({architecture(surrogate) for surrogate in surrogates}) == 1
    sizes = [3, 1, 5]
    x_t, t = draw(prior, 9), torch.rand(9, generator=torch.Generator().manual_seed(1))
    together = values_of(surrogates, x_t, t, prior.denoise(x_t, t), sizes)
    rows = zip(torch.split(x_t, sizes), torch.split(t, sizes), strict=True)
    alone = [s.value(x, at, prior.denoise(x, at)) for s, (x, at) in zip(surrogates, rows, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_processes_of_different_spaces_do_not_stack() -> None:
    assert architecture(random_gp(0, "features")) != architecture(random_gp(0, "item"))


@pytest.mark.parametrize("space", SPACES)
def test_it_survives_the_round_trip_bit_by_bit(space: str) -> None:
    prior, surrogate = ToyPrior(), random_gp(3, space)
    blob = surrogate.to_bytes()
    loaded = load(blob, version_of(blob))
    assert isinstance(loaded, GpSurrogate)
    assert loaded.to_bytes() == blob
    assert loaded.prior_hash == surrogate.prior_hash
    x = draw(prior, 6)
    for before, after in zip(surrogate.predict(prior, x), loaded.predict(prior, x), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("space", SPACES)
def test_near_the_data_end_the_value_is_the_prediction_in_standardised_units(space: str) -> None:
    prior, surrogate = ToyPrior(), random_gp(2, space)
    x_0 = draw(prior, 7)
    t = prior.schedule.time_of_log_snr(torch.full((7,), 6.0))
    x_t = x_0 if space == "item" else prior.schedule.scale(t)[:, None] * x_0
    value = surrogate.value(x_t, t, prior.denoise(x_t, t))
    expected = surrogate.predict(prior, x_0).mean
    torch.testing.assert_close(expected, 2.5 + 1.5 * value.double(), rtol=1e-3, atol=1e-3)


def test_the_kernel_is_that_of_the_distances() -> None:
    a, b = torch.randn(4, 3).double(), torch.randn(5, 3).double()
    torch.testing.assert_close(rbf(a, b, 1.3), torch.exp(-0.5 * torch.cdist(a, b) ** 2 / 1.3**2))


def test_features_of_another_prior_are_refused() -> None:
    with pytest.raises(FailedPrecondition, match="a1b2"):
        random_gp(0).predict(ToyPrior(content_hash="other"), torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("changes", "tensors"),
    [
        ({"space": "somewhere"}, {}),
        ({"bandwidth": 0.0}, {}),
        ({}, {"alpha": torch.zeros(5)}),
        ({}, {"items": torch.zeros(4)}),
        ({}, {"factor": torch.zeros(4, 4)}),
        ({}, {"levels": torch.tensor([0.0, 0.0, 1.0, 2.0])}),
        ({}, {"maps": torch.zeros(4, 5, 2)}),
        ({"space": "item"}, {}),
    ],
)
def test_parts_that_do_not_fit_together_are_data_loss(
    changes: dict[str, object], tensors: dict[str, torch.Tensor]
) -> None:
    blob = random_gp(0).to_bytes()
    length = int.from_bytes(blob[:8], "little")
    raw = json.loads(json.loads(blob[8 : 8 + length])["__metadata__"]["surrogate"]) | changes
    with pytest.raises(DataLoss):
        load(save_tensors(load_tensors(blob) | tensors, {"surrogate": json.dumps(raw)}))
