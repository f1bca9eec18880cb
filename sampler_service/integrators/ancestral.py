"""The ancestral (DDPM) step: q(x_{t-dt} | x_t, x_0) with the denoised estimate in place of x_0."""

from __future__ import annotations

import math

from sampler_service.evaluation import Evaluation
from sampler_service.grids import Step
from sampler_service.integrators.base import Kernel


def ancestral(step: Step, at: Evaluation) -> Kernel:
    # exp(-dlambda), the ratio of the two signal-to-noise ratios.
    ratio = (step.a / step.s * step.s_next / step.a_next) ** 2
    fresh = -math.expm1(math.log(ratio)) if ratio > 0.0 else 1.0
    mean = ratio * (step.a_next / step.a) * at.x_t + fresh * step.a_next * at.x_0_hat
    return Kernel(mean, fresh * step.s_next**2)
