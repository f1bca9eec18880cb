from __future__ import annotations

import torch

from apa.priors.gaussian_mixture import GaussianMixturePrior
from trainer_worker.priors.ancestral import ancestral_sample


def test_an_exact_denoiser_gives_back_its_mixture() -> None:
    means = torch.tensor([[-2.0, 0.0], [2.0, 1.0]])
    prior = GaussianMixturePrior(means, 0.01, torch.tensor([0.25, 0.75]))

    x = ancestral_sample(prior, 4000, 100, torch.Generator().manual_seed(0))

    right = x[:, 0] > 0
    assert abs(float(right.float().mean()) - 0.75) < 0.03
    torch.testing.assert_close(x[right].mean(0), means[1], atol=0.02, rtol=0.0)
    torch.testing.assert_close(x[~right].mean(0), means[0], atol=0.02, rtol=0.0)
    assert float(x[right].std(0).max()) < 0.13


def test_the_same_generator_gives_the_same_samples() -> None:
    prior = GaussianMixturePrior(torch.zeros(1, 3), 1.0, torch.ones(1))

    first, second = (ancestral_sample(prior, 5, 10, torch.Generator().manual_seed(7)) for _ in range(2))

    torch.testing.assert_close(first, second, atol=0.0, rtol=0.0)
