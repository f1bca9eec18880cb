"""Plain gradient guidance, in the loop that users of `diffusers` write: no weights, so no exact target.

A step of the library's DDPM scheduler is moved by its variance times beta_t grad r, as the corrector
`guidance` has it: beta_t grows from 0, and a step takes what it has where it departs.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDPMScheduler

from sampler_service.population import Population
from sampler_service.routes.plugin import Target, handed_back

NUM_LEVELS = 1000
"""Of the scheduler's table; a run's times are moved to the nearest."""


def plain_guidance(target: Target, num_particles: int, generator: torch.Generator) -> Population:
    """As many steps as the config names, from its t_start to the data."""
    scheduler, config = scheduler_of(target), target.config
    shape = (num_particles, *target.prior.data_shape)
    x = torch.randn(shape, generator=generator, device=generator.device)
    for i, level in enumerate(scheduler.timesteps):
        at = target.evaluate(x, float(level + 1) / NUM_LEVELS, gradient=True)
        assert at.grad_x is not None, "the gradient was asked for"
        x = scheduler.step(at.x_0_hat, level, x, generator=generator).prev_sample
        x = x + scheduler._get_variance(level) * config.beta * i / config.num_steps * at.grad_x
    return handed_back(x, denoiser_evaluations=num_particles * config.num_steps)


def scheduler_of(target: Target) -> Any:
    """The library's, on the prior's own noise path."""
    t = torch.arange(1, NUM_LEVELS + 1, dtype=torch.float64) / NUM_LEVELS
    kept = target.prior.schedule.scale(t).square()
    betas = 1.0 - kept / torch.cat([kept.new_ones(1), kept[:-1]])
    scheduler = DDPMScheduler(
        num_train_timesteps=NUM_LEVELS,
        trained_betas=betas.numpy(),
        prediction_type="sample",
        clip_sample=False,
    )
    config = target.config
    times = torch.linspace(config.t_start, config.t_end, config.num_steps + 1)[:-1]
    levels = (times * NUM_LEVELS).round().long() - 1
    scheduler.set_timesteps(timesteps=levels.tolist())
    return scheduler
