from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer_worker.fit.ridge import RATIOS, choose_ratio, log_evidence, posterior, spectrum

SIZES = [(1, 6), (5, 12), (12, 12), (40, 7)]


def _problem(count: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    design = torch.randn(count, width, generator=generator, dtype=torch.float64)
    return design, torch.randn(count, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("count", "width"), SIZES)
def test_the_posterior_is_the_dense_closed_form(count: int, width: int) -> None:
    design, y = _problem(count, width)
    ratio = 0.37
    found = posterior(spectrum(design, y), ratio)

    z, target = design.numpy(), y.numpy()
    precision = z.T @ z / ratio + np.eye(width)
    covariance = np.linalg.inv(precision)
    np.testing.assert_allclose(found.weights.numpy(), covariance @ z.T @ target / ratio, atol=1e-10)
    factor = found.factor.numpy()
    np.testing.assert_allclose(np.eye(width) - factor.T @ factor, covariance, atol=1e-10)


@pytest.mark.parametrize(("count", "width"), SIZES)
def test_the_evidence_is_the_multivariate_student_density(count: int, width: int) -> None:
    design, y = _problem(count, width)
    ratios = torch.tensor([0.01, 0.3, 5.0], dtype=torch.float64)
    found = log_evidence(spectrum(design, y), ratios).numpy()

    z, target = design.numpy(), y.numpy()
    expected = []
    for ratio in ratios.tolist():
        kernel = z @ z.T + ratio * np.eye(count)
        misfit = target @ np.linalg.solve(kernel, target)
        # Inverse-gamma(1/2, 1/2) on s^2 integrated out of N(0, s^2 kernel).
        expected.append(-0.5 * np.linalg.slogdet(kernel)[1] - (0.5 + count / 2) * np.log(0.5 + misfit / 2))
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("true_ratio", [0.01, 0.3, 10.0])
def test_the_evidence_recovers_the_ratio_that_made_the_data(true_ratio: float) -> None:
    generator = torch.Generator().manual_seed(3)
    design = torch.randn(400, 60, generator=generator, dtype=torch.float64) / 60**0.5
    weights = torch.randn(60, generator=generator, dtype=torch.float64)
    noise = torch.randn(400, generator=generator, dtype=torch.float64)
    y = design @ weights + true_ratio**0.5 * noise
    found = choose_ratio([spectrum(design, y / y.std())])
    assert abs(np.log10(found / true_ratio)) < 0.5


def test_rewards_that_the_features_do_not_explain_shrink_the_head() -> None:
    design, y = _problem(120, 20, seed=5)
    design = design / 20**0.5
    problem = spectrum(design, y)
    found = posterior(problem, choose_ratio([problem]))
    assert float((design @ found.weights).std()) < 0.25 * float(y.std())


def test_one_answer_or_none_that_differ_leave_everything_finite() -> None:
    for count in (1, 6):
        design, _ = _problem(count, 4)
        problem = spectrum(design, torch.zeros(count, dtype=torch.float64))
        found = posterior(problem, choose_ratio([problem]))
        assert bool((found.weights == 0).all())
        assert bool(torch.isfinite(found.variance))
        assert found.variance > 0


def test_identical_items_are_handled() -> None:
    design = torch.ones(8, 5, dtype=torch.float64)
    y = torch.linspace(-1, 1, 8, dtype=torch.float64)
    problem = spectrum(design, y)
    found = posterior(problem, choose_ratio([problem]))
    assert bool(torch.isfinite(found.weights).all())
    assert float(found.weights.abs().max()) < 1e-6


def test_the_grid_covers_noise_far_below_and_above_the_signal() -> None:
    assert float(RATIOS[0]) <= 1e-3
    assert float(RATIOS[-1]) >= 1e4
