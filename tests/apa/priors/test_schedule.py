import pytest
import torch

from apa.priors import VPSchedule

TIMES = torch.linspace(1e-3, 1.0, 200, dtype=torch.float64)


def test_the_path_preserves_variance() -> None:
    schedule = VPSchedule()
    torch.testing.assert_close(schedule.scale(TIMES) ** 2 + schedule.std(TIMES) ** 2, torch.ones_like(TIMES))


def test_the_scale_is_the_closed_form() -> None:
    expected = torch.exp(torch.tensor(-0.25 * (20.0 - 0.1) - 0.5 * 0.1, dtype=torch.float64))
    torch.testing.assert_close(VPSchedule().scale(torch.ones((), dtype=torch.float64)), expected)


@pytest.mark.parametrize("schedule", [VPSchedule(), VPSchedule(5.0, 5.0)])
def test_the_time_of_a_log_snr_is_its_inverse(schedule: VPSchedule) -> None:
    torch.testing.assert_close(
        schedule.time_of_log_snr(schedule.log_snr(TIMES)), TIMES, rtol=1e-9, atol=1e-12
    )


def test_the_time_of_a_std_ratio_has_that_ratio() -> None:
    schedule = VPSchedule()
    t = torch.tensor(schedule.time_of_std_ratio(1.7), dtype=torch.float64)
    assert (schedule.std(t) / schedule.scale(t)).item() == pytest.approx(1.7)


def test_the_drift_and_the_diffusion_are_those_of_the_path() -> None:
    # f = (a'/a) x and sigma^2 = d(s^2)/dt - 2 (a'/a) s^2, for any Gaussian path.
    schedule = VPSchedule()
    t = TIMES.clone().requires_grad_()
    (log_scale_rate,) = torch.autograd.grad(schedule.log_scale(t).sum(), t)
    (variance_rate,) = torch.autograd.grad((schedule.std(t) ** 2).sum(), t)
    torch.testing.assert_close(schedule.drift_rate(TIMES), log_scale_rate)
    sigma_squared = variance_rate - 2.0 * log_scale_rate * schedule.std(TIMES) ** 2
    torch.testing.assert_close(schedule.sigma(TIMES) ** 2, sigma_squared)


def test_the_noise_near_the_data_does_not_cancel_in_float32() -> None:
    schedule = VPSchedule()
    t = torch.tensor([1e-6, 1e-4])
    torch.testing.assert_close(schedule.std(t), schedule.std(t.double()).float(), rtol=1e-5, atol=0)
