"""The grid of t and what each of its steps carries."""

from __future__ import annotations

import pytest
import torch

from apa.errors import InvalidArgument
from apa.priors.schedule import VPSchedule
from apa.records.sampling import GridName, SamplingConfig
from sampler_service.grids import LOGISTIC_CENTRE, START_SCALE, start_time, steps, times

SCHEDULE = VPSchedule()
GRIDS: tuple[GridName, ...] = ("uniform", "log_snr", "logistic")


@pytest.mark.parametrize("grid", GRIDS)
def test_a_grid_falls_from_its_start_to_its_end_exactly(grid: GridName) -> None:
    t = times(SCHEDULE, grid, 0.9, 0.01, 37)

    assert (t[0].item(), t[-1].item()) == (0.9, 0.01)
    assert len(t) == 38
    assert (t[1:] < t[:-1]).all()


def test_log_snr_is_uniform_in_log_snr() -> None:
    gaps = SCHEDULE.log_snr(times(SCHEDULE, "log_snr", 1.0, 1e-3, 50)).diff()

    assert torch.allclose(gaps, gaps.mean().expand(50), rtol=1e-6)


def test_logistic_is_uniform_in_the_logistic_quantile_of_the_log_snr() -> None:
    levels = SCHEDULE.log_snr(times(SCHEDULE, "logistic", 1.0, 1e-3, 50))

    gaps = torch.sigmoid(levels - LOGISTIC_CENTRE).diff()
    assert torch.allclose(gaps, gaps.mean().expand(50), rtol=1e-6)


def test_a_constant_beta_is_whole_from_the_first_step_on() -> None:
    path = steps(SCHEDULE, SamplingConfig(num_steps=9, beta=3.0, beta_schedule="constant"))

    assert [step.beta for step in path] == [0.0] + [3.0] * 8
    assert [step.beta_next for step in path] == [3.0] * 9


def test_a_constant_beta_waits_for_the_active_interval() -> None:
    config = SamplingConfig(num_steps=10, beta=3.0, beta_schedule="constant", active_interval=(0.2, 0.6))

    path = steps(SCHEDULE, config)

    assert {step.beta for step in path if step.t > 0.55} == {0.0}
    assert {step.beta_next for step in path if step.t < 0.65} == {3.0}


def test_a_grid_that_does_not_fall_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="t_end"):
        times(SCHEDULE, "uniform", 0.1, 0.1, 10)


@pytest.mark.parametrize("grid", GRIDS)
def test_beta_grows_linearly_in_tau_from_zero_to_its_value(grid: GridName) -> None:
    path = steps(SCHEDULE, SamplingConfig(num_steps=20, beta=3.0, grid=grid, t_start=0.8))

    assert path[0].beta == 0.0
    assert path[-1].beta_next == pytest.approx(3.0)
    for step in path:
        assert step.beta == pytest.approx(3.0 * (0.8 - step.t) / (0.8 - 1e-3))


def test_the_integrated_noise_of_a_step_is_the_fall_of_log_scale_twice() -> None:
    # For VP noise sigma^2 = -2 d log a / dt, so the integral is known.
    for step in steps(SCHEDULE, SamplingConfig(num_steps=7)):
        t = torch.tensor([step.t, step.t_next], dtype=torch.float64)
        log_a, log_a_next = SCHEDULE.log_scale(t).tolist()
        assert step.sigma2_dt == pytest.approx(2.0 * (log_a_next - log_a), rel=1e-9)
        assert step.drift_dt == pytest.approx(log_a - log_a_next, rel=1e-9)


def test_runs_begin_later_where_the_prior_keeps_more_of_an_item() -> None:
    assert start_time(VPSchedule(), 0.8) == 0.8
    slow = VPSchedule(noise_rate_min=0.1, noise_rate_max=14.0)
    later = start_time(slow, 0.8)
    assert 0.8 < later < 1.0
    assert float(slow.scale(torch.tensor(later, dtype=torch.float64))) == pytest.approx(START_SCALE)
    assert start_time(VPSchedule(noise_rate_min=0.1, noise_rate_max=2.0), 0.8) == 1.0


def test_a_start_below_the_end_is_named() -> None:
    with pytest.raises(InvalidArgument) as found:
        times(VPSchedule(), "uniform", 0.0005, 0.001, 5)
    assert found.value.field == "sampling.t_start"
