import torch

from apa.priors.network import Preconditioning
from apa.priors.schedule import VPSchedule

PRECONDITIONING = Preconditioning(VPSchedule(), data_mean=-0.4, data_std=0.7)


def test_the_network_sees_unit_variance_at_every_time() -> None:
    generator = torch.Generator().manual_seed(0)
    x_0 = -0.4 + 0.7 * torch.randn(100_000, 1, generator=generator)
    for time in (0.001, 0.2, 0.5, 1.0):
        t = torch.full((len(x_0),), time)
        schedule = PRECONDITIONING.schedule
        noise = torch.randn(x_0.shape, generator=generator)
        x_t = schedule.scale(t)[:, None] * x_0 + schedule.std(t)[:, None] * noise
        seen = PRECONDITIONING.network_input(x_t, t)
        torch.testing.assert_close(seen.mean(), torch.zeros(()), rtol=0, atol=0.02)
        torch.testing.assert_close(seen.std(), torch.ones(()), rtol=0.02, atol=0)


def test_the_target_is_the_output_that_returns_the_data() -> None:
    x_0, x_t = torch.randn(6, 3, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    t = torch.linspace(0.01, 1.0, 6, dtype=torch.float64)
    target = PRECONDITIONING.target(x_t, t, x_0)
    torch.testing.assert_close(PRECONDITIONING.x_0_hat(x_t, t, target), x_0)


def test_an_output_of_zero_is_the_best_linear_estimate() -> None:
    # For Gaussian data of that mean and deviation the posterior mean is linear, and needs no network.
    x_t, t = torch.randn(6, 1, dtype=torch.float64), torch.linspace(0.01, 1.0, 6, dtype=torch.float64)
    a, s = PRECONDITIONING.schedule.scale(t)[:, None], PRECONDITIONING.schedule.std(t)[:, None]
    expected = -0.4 + a * 0.49 / (a * a * 0.49 + s * s) * (x_t + 0.4 * a)
    torch.testing.assert_close(PRECONDITIONING.x_0_hat(x_t, t, torch.zeros_like(x_t)), expected)
