from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import nn

from apa.errors import InvalidArgument
from apa.surrogates import Surrogate, architecture, stack, values_of
from apa.surrogates.stacked_networks import outputs_of
from tests.apa.surrogates.toys import ToyPrior, draw, random_cnn, random_gp, random_mlp, random_surrogate


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


NETWORKS: dict[str, tuple[Callable[[int], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda seed: random_mlp(seed).network, (3,)),
    "mlp of images": (lambda seed: random_mlp(seed, (1, 20, 20)).network, (1, 20, 20)),
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


FAMILIES: dict[str, Callable[[int], Surrogate]] = {
    "linear": random_surrogate,
    "mlp": random_mlp,
    "gp": lambda seed: random_gp(seed, "item", count=2 + 5 * seed),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_many_users_get_what_each_gets_alone_value_and_gradient(family: str) -> None:
    prior, sizes = ToyPrior(), [3, 1, 4]
    surrogates = [FAMILIES[family](seed) for seed in range(3)]
    assert len({architecture(surrogate) for surrogate in surrogates}) == 1
    x_t = draw(prior, 8).requires_grad_()
    t = torch.rand(8, generator=torch.Generator().manual_seed(1))

    together = values_of(surrogates, x_t, t, prior.denoise(x_t, t), sizes)
    rows = zip(surrogates, torch.split(x_t, sizes), torch.split(t, sizes), strict=True)
    alone = torch.cat([one.value(x, at, prior.denoise(x, at)) for one, x, at in rows])

    torch.testing.assert_close(together, alone)
    ones = torch.ones(8)
    torch.testing.assert_close(*(torch.autograd.grad(values, x_t, ones)[0] for values in (together, alone)))


def test_surrogates_of_two_architectures_are_told_apart_and_do_not_stack() -> None:
    several: list[Surrogate] = [random_surrogate(0), random_cnn(), random_mlp(), random_gp(0)]
    again: list[Surrogate] = [random_surrogate(1), random_cnn(1), random_mlp(1), random_gp(1)]
    prior = ToyPrior()
    x, t = draw(prior, 2), torch.full((2,), 0.5)
    assert len({architecture(surrogate) for surrogate in several + again}) == 4
    for pair in itertools.combinations(several, 2):
        with pytest.raises(InvalidArgument, match="architecture"):
            values_of(pair, x, t, prior.denoise(x, t), [1, 1])
