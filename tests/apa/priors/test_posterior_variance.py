"""The table of Var(x_0 | x_t) against the closed form of one Gaussian."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.priors.posterior_variance import PosteriorVariance, estimate_posterior_variance

GAUSSIAN = GaussianMixturePrior(torch.tensor([[0.8, -0.3]]), 0.3, torch.ones(1))


@pytest.mark.parametrize("t", [1e-5, 1e-3, 0.1, 0.37, 0.8, 1.0])
def test_it_is_that_of_a_gaussian(t: float) -> None:
    schedule, time = GAUSSIAN.schedule, torch.tensor([t], dtype=torch.float64)
    snr = schedule.log_snr(time).exp()
    exact = 1.0 / (1.0 / 0.3 + snr)
    x_0 = GAUSSIAN.sample(8000, torch.Generator().manual_seed(1))

    found = estimate_posterior_variance(GAUSSIAN, x_0).at(schedule.log_snr(time))

    # 16,000 squares have a relative error of .011; the line between two levels adds as much again.
    assert found.item() == pytest.approx(exact.item(), rel=0.05)


def test_a_mixture_makes_its_own_table_once() -> None:
    assert GAUSSIAN.posterior_variance is GAUSSIAN.posterior_variance


@pytest.mark.parametrize(
    ("log_snr", "variance"),
    [
        ((0.0, 1.0), (1.0,)),
        ((1.0, 0.0), (1.0, 1.0)),
        ((0.0, float("nan")), (1.0, 1.0)),
        ((0.0, 1.0), (1.0, 0.0)),
        ((0.0, 1.0), (1.0, float("inf"))),
    ],
)
def test_what_is_no_table_is_refused(log_snr: tuple[float, ...], variance: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        PosteriorVariance(log_snr=log_snr, variance=variance)
