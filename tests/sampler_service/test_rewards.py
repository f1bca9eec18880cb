"""The potentials of a batch: each run gets its own, whoever shares the call."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from apa.priors import Prior
from apa.surrogates import Surrogate
from sampler_service.evaluation import Part, evaluate, evaluate_all
from sampler_service.potential import Potential, RewardPotential, SurrogatePotential
from tests.apa.surrogates.toys import ToyPrior, draw, random_cnn, random_surrogate

SIZES = (3, 1, 8, 5, 2)


def _potentials(*surrogates: Surrogate) -> list[Potential | None]:
    plain = RewardPotential(lambda x: x.flatten(1).sum(dim=1))
    return [None, plain, *(SurrogatePotential(surrogate) for surrogate in surrogates)]


@pytest.mark.parametrize(
    ("prior", "surrogates"),
    [
        (ToyPrior(), [random_surrogate(seed) for seed in range(3)]),
        (ToyPrior((1, 8, 8)), [random_cnn(seed) for seed in range(3)]),
        (ToyPrior((1, 8, 8)), [random_cnn(0), random_surrogate(1), random_cnn(2)]),
    ],
    ids=["linear", "cnn", "mixed"],
)
def test_a_batch_of_surrogates_gives_each_run_what_it_gets_alone(
    prior: Prior, surrogates: list[Surrogate]
) -> None:
    assert isinstance(prior, ToyPrior)
    parts = [
        Part(draw(prior, n, seed=n), 0.2 + 0.1 * n, potential)
        for n, potential in zip(SIZES, _potentials(*surrogates), strict=True)
    ]

    together = evaluate_all(prior, parts)

    for part, at in zip(parts, together, strict=True):
        assert not isinstance(at, Exception)
        alone = evaluate(prior, part.potential, part.x_t, part.t)
        torch.testing.assert_close(at.reward, alone.reward, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(at.grad_x, alone.grad_x, rtol=1e-5, atol=1e-5)
    rewards = [at.reward.mean() for at in together if not isinstance(at, Exception)]
    assert all(bool(one != other) for one, other in pairwise(rewards))
