"""The ratio estimate on a closed form: right, with honest errors, and without the plain mean's bias."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmarks.exactness.learned.compare import differences, joint_p_value
from benchmarks.exactness.learned.estimate import estimate
from simulation.closed_forms import tilted
from tests.benchmarks.learned_problem import BETA, PRIOR, SLOPE

TARGET = tilted(PRIOR, SLOPE, BETA)
EXACT = torch.cat([torch.tensor([TARGET.log_z], dtype=torch.float64), TARGET.masses])


def weighted(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """log-weights (n,) and modes (n, 3) of exact draws of the prior."""
    x = PRIOR.sample(n, torch.Generator().manual_seed(seed))
    return BETA * SLOPE(x).double(), TARGET.responsibilities(x)


def small_runs(num: int, size: int) -> tuple[Tensor, Tensor]:
    """log Z_hat (num,) and masses (num, 3) of populations of `size` weighted draws each."""
    log_weights, modes = weighted(num * size, seed=1)
    log_weights, modes = log_weights.reshape(num, size), modes.reshape(num, size, 3)
    masses = (log_weights.softmax(dim=1)[:, :, None] * modes).sum(dim=1)
    return log_weights.logsumexp(dim=1) - math.log(size), masses


def test_weighted_draws_give_log_z_and_masses_within_their_errors() -> None:
    found = estimate(*weighted(20_000, seed=0))

    assert bool(((found.values - EXACT).abs() <= 3.5 * found.errors).all())
    assert float(found.errors.max()) < 0.03
    assert 0.1 * 20_000 < found.ess < 20_000


def test_pooling_runs_by_their_z_removes_the_bias_that_their_mean_has() -> None:
    log_z, masses = small_runs(num=20_000, size=4)
    pooled, mean = estimate(log_z, masses), estimate(torch.zeros_like(log_z), masses)

    assert bool(((pooled.values - EXACT).abs() <= 3.5 * pooled.errors).all())
    assert float(((mean.values - EXACT)[1:].abs() / mean.errors[1:]).max()) > 10.0


def test_the_error_is_the_spread_of_repeated_estimates() -> None:
    repeated = [estimate(*weighted(500, seed)) for seed in range(300)]

    spread = torch.stack([one.values for one in repeated]).std(dim=0)
    claimed = torch.stack([one.errors for one in repeated]).mean(dim=0)
    assert bool(((claimed / spread - 1.0).abs() < 0.15).all())


def test_the_joint_test_errs_as_often_as_it_says() -> None:
    reference, kept = estimate(*weighted(50_000, seed=0)), torch.tensor([0, 1, 2])
    p_values = [joint_p_value(estimate(*weighted(100, seed)), reference, kept) for seed in range(1, 401)]

    below = sum(p is not None and p < 0.1 for p in p_values) / len(p_values)
    assert 0.05 < below < 0.2


def test_too_few_runs_have_no_joint_test() -> None:
    few = estimate(*weighted(5, seed=0))
    assert joint_p_value(few, few, torch.tensor([0, 1, 2])) is None


def test_values_without_any_error_are_compared_all_the_same() -> None:
    exact = estimate(*weighted(100, seed=0)).without_error()
    assert [one.z for one in differences(("log Z", "a", "b", "c"), exact, exact)] == [0.0] * 4
