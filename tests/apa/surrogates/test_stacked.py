from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from apa.errors import InvalidArgument
from apa.surrogates import architecture, stack, values_of
from apa.surrogates.stacked_networks import outputs_of
from tests.apa.surrogates.toys import ToyPrior, draw, random_cnn, random_surrogate


def test_each_particle_gets_the_head_of_its_own_run() -> None:
    prior = ToyPrior()
    surrogates = [random_surrogate(seed) for seed in range(3)]
    run_index = torch.tensor([2, 0, 1, 1, 0, 2, 2])
    x_t, t = draw(prior, 7), torch.rand(7, generator=torch.Generator().manual_seed(1))
    denoised = prior.denoise(x_t, t)
    together = stack(surrogates).value(t, denoised.features, run_index)
    each = torch.stack([s.value(x_t, t, denoised) for s in surrogates])[run_index, torch.arange(7)]
    torch.testing.assert_close(together, each)


def test_the_gradient_reaches_only_the_particle_itself() -> None:
    prior = ToyPrior()
    stacked = stack([random_surrogate(0), random_surrogate(1)]).to("cpu", torch.float64)
    x_t = draw(prior, 4).double().requires_grad_()
    t = torch.full((4,), 0.3, dtype=torch.float64)
    value = stacked.value(t, prior.denoise(x_t, t).features, torch.tensor([0, 1, 0, 1]))
    (gradient,) = torch.autograd.grad(value[2], x_t)
    assert bool((gradient[[0, 1, 3]] == 0).all())
    assert bool((gradient[2] != 0).any())


def test_heads_of_different_priors_or_levels_do_not_stack() -> None:
    first = random_surrogate(0)
    for other in (random_surrogate(1, prior_hash="c3d4"), random_surrogate(1, num_levels=5)):
        with pytest.raises(InvalidArgument, match="share a prior"):
            stack([first, other])
    with pytest.raises(InvalidArgument, match="nothing to stack"):
        stack([])


class Mlp(nn.Module):
    """A family that there is not yet."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.body = nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        value: Tensor = self.body(x).squeeze(1)
        return value


NETWORKS: dict[str, tuple[Callable[[int], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda seed: Mlp(seed).eval().requires_grad_(False), (6,)),
    "cnn": (lambda seed: random_cnn(seed).network, (1, 8, 8)),
}


@pytest.mark.parametrize("family", NETWORKS)
@pytest.mark.parametrize("sizes", [(3,), (4, 4, 4), (1, 5, 2, 17, 4, 3, 1)])
def test_many_networks_give_what_each_gives_alone_whatever_the_sizes(
    family: str, sizes: tuple[int, ...]
) -> None:
    make, shape = NETWORKS[family]
    networks = [make(seed) for seed in range(len(sizes))]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(sum(sizes), *shape, generator=generator).requires_grad_()

    together = outputs_of(networks, x, sizes)
    rows = torch.split(x, list(sizes))
    alone = torch.cat([network(own) for network, own in zip(networks, rows, strict=True)])

    torch.testing.assert_close(together, alone)
    ones = torch.ones_like(together)
    torch.testing.assert_close(torch.autograd.grad(together, x, ones), torch.autograd.grad(alone, x, ones))


def test_surrogates_of_two_architectures_are_told_apart_and_do_not_stack() -> None:
    linear, cnn = random_surrogate(0), random_cnn()
    prior = ToyPrior()
    x, t = draw(prior, 2), torch.full((2,), 0.5)
    assert len({architecture(s) for s in (linear, random_surrogate(1), cnn, random_cnn(1))}) == 2
    with pytest.raises(InvalidArgument, match="architecture"):
        values_of([linear, cnn], x, t, prior.denoise(x, t), [1, 1])
