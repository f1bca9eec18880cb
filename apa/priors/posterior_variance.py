"""How uncertain x_0 still is at each noise level, on average: what a step of finite length has to add."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

if TYPE_CHECKING:
    from apa.priors.base import Prior

NUM_LEVELS = 33
T_MIN = 1e-4
"""The least noise of a table; below it the variance falls with s^2 / a^2."""


class PosteriorVariance(BaseModel):
    """E[Var(x_0 | x_t)], x_t ~ q_t, averaged over coordinates, by log-SNR (Bao et al. 2022, Analytic-DPM).

    Attributes:
        log_snr: (K,), rising.
        variance: (K,), positive, in units of the data squared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_snr: tuple[float, ...] = Field(min_length=2)
    variance: tuple[float, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _is_a_table(self) -> PosteriorVariance:
        levels = torch.tensor(self.log_snr, dtype=torch.float64)
        variance = torch.tensor(self.variance, dtype=torch.float64)
        if len(levels) != len(variance):
            raise ValueError("log_snr and variance must be of one length")
        if not (levels.isfinite().all() and (levels.diff() > 0).all()):
            raise ValueError("log_snr must be finite and rise")
        if not (variance.isfinite().all() and (variance > 0).all()):
            raise ValueError("variance must be finite and positive")
        return self

    def at(self, log_snr: Tensor) -> Tensor:
        """The variance at any log-SNR, (M,) -> (M,) float64: linear in the logarithm between the levels.

        Above the last level it falls with s^2 / a^2, as that of any posterior does; below the first it stays.
        """
        wanted = log_snr.double()
        levels = torch.tensor(self.log_snr, dtype=torch.float64, device=wanted.device)
        log_variance = torch.tensor(self.variance, dtype=torch.float64, device=wanted.device).log()
        inside = wanted.clamp(levels[0], levels[-1])
        right = torch.searchsorted(levels, inside).clamp(1, len(levels) - 1)
        share = (inside - levels[right - 1]) / (levels[right] - levels[right - 1])
        found = torch.lerp(log_variance[right - 1], log_variance[right], share)
        return (found - (wanted - levels[-1]).clamp(min=0.0)).exp()


@torch.no_grad()
def estimate_posterior_variance(prior: Prior, x_0: Tensor, seed: int = 0) -> PosteriorVariance:
    """The table of a prior, from the error of its denoised estimate on data.

    Args:
        x_0: (M, *data_shape), draws of the data; the relative error of the table is about M^(-1/2).
    """
    generator = torch.Generator().manual_seed(seed)
    ends = prior.schedule.log_snr(torch.tensor([1.0, T_MIN], dtype=torch.float64))
    levels = torch.lerp(ends[0], ends[1], torch.linspace(0, 1, NUM_LEVELS, dtype=torch.float64))
    shape = (-1,) + (1,) * (x_0.dim() - 1)
    variances = []
    for t in prior.schedule.time_of_log_snr(levels).to(x_0):
        times = t.expand(len(x_0))
        noise = torch.randn(x_0.shape, generator=generator).to(x_0)
        a, s = prior.schedule.scale(times).reshape(shape), prior.schedule.std(times).reshape(shape)
        x_0_hat = prior.denoise(a * x_0 + s * noise, times).x_0_hat
        variances.append(float((x_0_hat - x_0).double().square().mean()))
    return PosteriorVariance(log_snr=tuple(levels.tolist()), variance=tuple(variances))
