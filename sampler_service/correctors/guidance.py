"""Plain gradient guidance, score + beta grad r, with no weights: a baseline whose target is not p_0."""

from __future__ import annotations

from torch import Tensor

from sampler_service.correctors.base import Corrector, Departure, gradient
from sampler_service.evaluation import Evaluation
from sampler_service.grids import Step
from sampler_service.integrators import Kernel


class Guidance(Corrector):
    def depart(
        self, step: Step, kernel: Kernel, at: Evaluation, log_weights: Tensor, noise: Tensor
    ) -> Departure:
        mean = kernel.mean + kernel.variance * step.beta * gradient(at)
        return Departure(mean + kernel.variance**0.5 * noise, log_weights)
