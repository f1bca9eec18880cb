"""A noise path of discrete levels, as other libraries train on, read as the engine's continuous one.

Every variance-preserving path is the same path at another pace: how noised x_t is, only its log-SNR says. So
the engine keeps its own schedule, whose ends lie where the levels end, and a network trained at the levels is
asked for the fractional level that has the same log-SNR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.priors.schedule import VPSchedule

_FIRST_LEVEL_TIME = 1e-3
"""Where the cleanest level lies in t: where the engine's grids end by default."""
_SMALLEST_ALPHA = 1e-10
"""A path whose last level is nothing but noise has no log-SNR there; to float32 this is the same."""
_LARGEST_FINAL_ALPHA = 0.1
_SMALLEST_RATE = 1e-3


@dataclass(frozen=True, eq=False)
class NoiseTable:
    """The levels that a network was trained at.

    Attributes:
        log_snr: (T,), float64, falling: of level 0, the cleanest, to level T - 1.
        schedule: has log_snr[0] at t = 1e-3 and log_snr[-1] at t = 1.
    """

    log_snr: Tensor
    schedule: VPSchedule

    @classmethod
    def of(cls, alphas_cumprod: Tensor) -> Self:
        """The table of a_k^2 = alphas_cumprod[k], (T,).

        Raises:
            InvalidArgument: the levels do not fall from data to noise.
        """
        alphas = alphas_cumprod.detach().double().cpu().clamp(min=_SMALLEST_ALPHA)
        falls = alphas.dim() == 1 and len(alphas) > 1 and bool((alphas[1:] < alphas[:-1]).all())
        if not falls or not 0.0 < float(alphas[-1]) < float(alphas[0]) < 1.0:
            raise _no_path("numbers that fall from below 1 to above 0", _shortened(alphas))
        # The engine starts from pure noise, which the network has to know.
        if float(alphas[-1]) > _LARGEST_FINAL_ALPHA:
            raise _no_path(f"a last level of at most {_LARGEST_FINAL_ALPHA}: noise", _shortened(alphas))
        return cls((alphas / (1.0 - alphas)).log(), _schedule_between(alphas))

    def level(self, log_snr: Tensor) -> Tensor:
        """The fractional level with this log-SNR, of any shape; linear between levels, the ends beyond them.

        Differentiable almost everywhere, as potentials that depend on t need it.
        """
        rising = self.log_snr.to(log_snr).flip(0)
        within = torch.maximum(torch.minimum(log_snr, rising[-1]), rising[0])
        above = torch.searchsorted(rising, within.detach().contiguous()).clamp(1, len(rising) - 1)
        below = above - 1
        fraction = (within - rising[below]) / (rising[above] - rising[below])
        return (len(rising) - 1) - (below + fraction)

    def time(self, level: Tensor) -> Tensor:
        """The t of whole levels (N,) int64, float64."""
        return self.schedule.time_of_log_snr(self.log_snr[level])


def _schedule_between(alphas: Tensor) -> VPSchedule:
    """Solves -2 log a = min t + (max - min) t^2 / 2 for both ends."""
    first, last = float(-alphas[0].log()), float(-alphas[-1].log())
    e = _FIRST_LEVEL_TIME
    # A path that starts steeper than any linear rate allows ends a little beyond its cleanest level instead.
    rate_min = max((first - last * e * e) / (e - e * e), _SMALLEST_RATE)
    rate_min = min(rate_min, 2.0 * last - _SMALLEST_RATE)
    return VPSchedule(rate_min, 2.0 * last - rate_min)


def _shortened(alphas: Tensor) -> str:
    return f"{alphas.numel()} from {float(alphas.flatten()[0]):g} to {float(alphas.flatten()[-1]):g}"


def _no_path(expected: str, found: str) -> InvalidArgument:
    return InvalidArgument(
        "the scheduler has no noise path that the engine can follow",
        field="alphas_cumprod",
        expected=expected,
        found=found,
    )
