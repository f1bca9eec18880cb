"""A plain ancestral sampler of a prior, for measuring what it makes; the service has samplers of its own."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from apa.priors.base import Prior
from trainer_worker.priors.objective import T_MIN


@torch.no_grad()
def ancestral_sample(prior: Prior, num: int, num_steps: int, generator: torch.Generator) -> Tensor:
    """(num, *data_shape): from noise to data, exact in the limit for a prior whose denoiser is.

    Each step draws from q(x_s | x_t, x_0 = x_0_hat), s < t, on a grid even in log-SNR; the end is x_0_hat.
    """
    schedule = prior.schedule
    ends = schedule.log_snr(torch.tensor([1.0, T_MIN], dtype=torch.float64))
    log_snr = torch.linspace(float(ends[0]), float(ends[1]), num_steps, dtype=torch.float64)
    times = schedule.time_of_log_snr(log_snr)
    x = torch.randn((num, *prior.data_shape), generator=generator)
    for t, s in pairwise(times):
        x_0_hat = prior.denoise(x, t.float().expand(num)).x_0_hat
        keep, pull, std = _posterior(schedule.scale(t), schedule.std(t), schedule.scale(s), schedule.std(s))
        x = keep * x + pull * x_0_hat + std * torch.randn(x.shape, generator=generator)
    return prior.denoise(x, times[-1].float().expand(num)).x_0_hat


def _posterior(a_t: Tensor, s_t: Tensor, a_s: Tensor, s_s: Tensor) -> tuple[float, float, float]:
    """Of q(x_s | x_t, x_0): the weights of x_t and of x_0 in its mean, and its standard deviation."""
    a_ts = a_t / a_s
    variance_ts = s_t**2 - a_ts**2 * s_s**2
    std = (variance_ts / s_t**2).clamp(min=0.0).sqrt() * s_s
    return float(a_ts * s_s**2 / s_t**2), float(a_s * variance_ts / s_t**2), float(std)
