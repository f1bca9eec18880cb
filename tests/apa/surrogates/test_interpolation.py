from __future__ import annotations

import torch

from apa.surrogates.interpolation import place

LEVELS = torch.tensor([-6.0, -1.0, 2.0, 6.0], dtype=torch.float64)


def _blend(values: torch.Tensor, log_snr: torch.Tensor) -> torch.Tensor:
    at = place(LEVELS, log_snr)
    return torch.lerp(values[at.lower], values[at.upper], at.fraction)


def test_a_level_gets_its_own_head_and_a_midpoint_the_mean() -> None:
    values = torch.tensor([1.0, 5.0, -2.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(_blend(values, LEVELS), values)
    torch.testing.assert_close(
        _blend(values, torch.tensor([-3.5, 4.0], dtype=torch.float64)),
        torch.tensor([3.0, 0.5], dtype=torch.float64),
    )


def test_beyond_the_ends_the_nearest_head_holds() -> None:
    values = torch.tensor([1.0, 5.0, -2.0, 3.0], dtype=torch.float64)
    far = torch.tensor([-50.0, 50.0], dtype=torch.float64)
    torch.testing.assert_close(_blend(values, far), torch.tensor([1.0, 3.0], dtype=torch.float64))


def test_nothing_jumps_along_the_path() -> None:
    values = torch.tensor([1.0, 5.0, -2.0, 3.0], dtype=torch.float64)
    fine = torch.linspace(-8, 8, 20001, dtype=torch.float64)
    steps = _blend(values, fine).diff().abs()
    assert float(steps.max()) < 1.01 * (7 / 3) * (16 / 20000)


def test_a_single_level_is_constant() -> None:
    at = place(LEVELS[:1], torch.tensor([-9.0, -6.0, 3.0], dtype=torch.float64))
    assert at.lower.tolist() == at.upper.tolist() == [0, 0, 0]
    assert bool(torch.isfinite(at.fraction).all())
