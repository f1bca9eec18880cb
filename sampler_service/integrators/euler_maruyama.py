"""Euler-Maruyama on the reverse SDE, dx = (sigma^2 s - f) dtau + sigma dW: the paper's integrator."""

from __future__ import annotations

from sampler_service.evaluation import Evaluation
from sampler_service.grids import Step
from sampler_service.integrators.base import Kernel


def euler_maruyama(step: Step, at: Evaluation) -> Kernel:
    mean = at.x_t * (1.0 - step.drift_dt) + step.sigma2_dt * at.score
    return Kernel(mean, step.sigma2_dt)
