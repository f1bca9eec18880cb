"""The denoising loss of Karras et al. 2022 (EDM): lognormal noise levels, unit weight on the output."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from apa.priors.network import DenoiserNetwork, Preconditioning

_LOG_SIGMA_MEAN = -0.3
"""Relative to the data's standard deviation: EDM's -1.2 at 0.5 is -0.5, here a little noisier."""
_LOG_SIGMA_STD = 1.3
_UNIFORM_SHARE = 0.15
"""Of the batch, spread evenly over the whole path, so that its ends (sigma is 150 at t = 1) are trained."""
T_MIN = 1e-3


def draw_times(preconditioning: Preconditioning, num: int, generator: torch.Generator) -> Tensor:
    """(num,) times: log sigma is normal for most, stratified within the batch, and uniform for the rest."""
    u = (torch.arange(num) + torch.rand(num, generator=generator, dtype=torch.float64)) / num
    num_uniform = round(_UNIFORM_SHARE * num)
    uniform = torch.randperm(num, generator=generator)[:num_uniform]
    mean = math.log(preconditioning.data_std) + _LOG_SIGMA_MEAN
    log_sigma = mean + _LOG_SIGMA_STD * math.sqrt(2.0) * torch.erfinv(2.0 * u.clamp(1e-6, 1 - 1e-6) - 1.0)
    schedule = preconditioning.schedule
    ends = torch.tensor([T_MIN, 1.0], dtype=torch.float64)
    low, high = (-0.5 * schedule.log_snr(ends)).tolist()
    log_sigma[uniform] = low + (high - low) * torch.rand(
        num_uniform, generator=generator, dtype=torch.float64
    )
    return schedule.time_of_log_snr(-2.0 * log_sigma).clamp(T_MIN, 1.0).float()


def hide_labels(labels: Tensor, num_classes: int, share: float, generator: torch.Generator) -> Tensor:
    """(B,): the labels, each replaced by "none" (`num_classes`) with probability `share`."""
    hidden = torch.rand(len(labels), generator=generator) < share
    return torch.where(hidden, num_classes, labels)


def denoising_loss(
    network: DenoiserNetwork,
    preconditioning: Preconditioning,
    x_0: Tensor,
    generator: torch.Generator,
    precision: torch.dtype = torch.float32,
    labels: Tensor | None = None,
) -> Tensor:
    """The scalar mean squared error of the network's output; 1.0 is what a network of zeros scores at most.

    Args:
        x_0: (B, *data_shape).
        precision: of the network's products; the loss is float32.
        labels: (B,) int64, for a network that takes them.
    """
    t = draw_times(preconditioning, len(x_0), generator)
    shape = (-1,) + (1,) * (x_0.dim() - 1)
    noise = torch.randn(x_0.shape, generator=generator)
    schedule = preconditioning.schedule
    x_t = schedule.scale(t).reshape(shape) * x_0 + schedule.std(t).reshape(shape) * noise
    target = preconditioning.target(x_t, t, x_0)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        output = network(preconditioning.network_input(x_t, t), schedule.log_snr(t), labels)
    loss: Tensor = (output.float() - target).square().mean()
    return loss
