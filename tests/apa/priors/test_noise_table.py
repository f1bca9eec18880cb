import math

import pytest
import torch

from apa.errors import InvalidArgument
from apa.priors.noise_table import NoiseTable
from apa.priors.schedule import VPSchedule


def _linear(num: int = 1000) -> torch.Tensor:
    return torch.cumprod(1.0 - torch.linspace(1e-4, 0.02, num, dtype=torch.float64), dim=0)


def _scaled_linear() -> torch.Tensor:
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1.0 - betas, dim=0)


def _cosine() -> torch.Tensor:
    def bar(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1.0 - bar((k + 1) / 1000) / bar(k / 1000), 0.999) for k in range(1000)]
    return torch.cumprod(1.0 - torch.tensor(betas, dtype=torch.float64), dim=0)


PATHS = pytest.mark.parametrize(
    "alphas", [_linear(), _scaled_linear(), _cosine()], ids=["lin", "sqrt", "cos"]
)


@PATHS
def test_at_the_time_of_a_level_the_path_is_as_noised_as_the_level(alphas: torch.Tensor) -> None:
    table = NoiseTable.of(alphas)
    levels = torch.arange(len(alphas))
    t = table.time(levels)
    torch.testing.assert_close(table.schedule.scale(t) ** 2, alphas, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(table.level(table.schedule.log_snr(t)), levels.double(), rtol=0, atol=1e-6)
    assert float(t.min()) >= 0.999e-3
    assert float(t.max()) <= 1.0 + 1e-9


@PATHS
def test_single_precision_finds_the_level_within_a_thousandth(alphas: torch.Tensor) -> None:
    table = NoiseTable.of(alphas)
    levels = torch.arange(len(alphas))
    found = table.level(table.schedule.log_snr(table.time(levels).float()))
    torch.testing.assert_close(found, levels.float(), rtol=0, atol=2e-3)


def test_the_usual_linear_path_is_the_usual_schedule() -> None:
    table = NoiseTable.of(_linear())
    usual = VPSchedule()
    assert table.schedule.noise_rate_min == pytest.approx(usual.noise_rate_min, abs=0.02)
    assert table.schedule.noise_rate_max == pytest.approx(usual.noise_rate_max, rel=0.02)


def test_between_levels_the_level_is_linear_in_log_snr_and_differentiable() -> None:
    table = NoiseTable.of(_linear())
    log_snr = torch.lerp(table.log_snr[:-1], table.log_snr[1:], 0.25).requires_grad_()
    level = table.level(log_snr)
    torch.testing.assert_close(level, torch.arange(999, dtype=torch.float64) + 0.25)
    (slope,) = torch.autograd.grad(level.sum(), log_snr)
    torch.testing.assert_close(slope, 1.0 / (table.log_snr[1:] - table.log_snr[:-1]))


def test_beyond_the_ends_the_level_is_the_last_there_is() -> None:
    table = NoiseTable.of(_linear())
    assert table.level(torch.tensor([50.0, -50.0])).tolist() == [0.0, 999.0]


def test_a_last_level_of_pure_noise_is_a_level() -> None:
    alphas = _linear()
    alphas[-1] = 0.0
    table = NoiseTable.of(alphas)
    assert torch.isfinite(table.log_snr).all()
    assert float(table.schedule.std(torch.tensor(1.0))) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "alphas",
    [_linear().flip(0), _linear()[:100], torch.full((10,), 0.5), torch.tensor([0.5]), _linear()[None]],
    ids=["rising", "no-noise", "constant", "one", "a-matrix"],
)
def test_what_is_no_path_from_data_to_noise_is_refused(alphas: torch.Tensor) -> None:
    with pytest.raises(InvalidArgument, match="alphas_cumprod"):
        NoiseTable.of(alphas)
