"""The ancestral (DDPM) step: q(x_{t-dt} | x_t, x_0) with the denoised estimate in place of x_0."""

from __future__ import annotations

from sampler_service.evaluation import Evaluation
from sampler_service.grids import Step
from sampler_service.integrators.base import Kernel


def ancestral(step: Step, at: Evaluation) -> Kernel:
    mean = step.ratio * (step.a_next / step.a) * at.x_t + step.fresh * step.a_next * at.x_0_hat
    return Kernel(mean, step.fresh * step.s_next**2)
