from __future__ import annotations

import pytest
import torch

from apa.errors import InvalidArgument
from apa.surrogates import stack
from tests.apa.surrogates.toys import ToyPrior, draw, random_surrogate


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
