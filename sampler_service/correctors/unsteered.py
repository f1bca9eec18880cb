"""The prior itself: its own kernel, weights that stay equal."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from sampler_service.correctors.base import Corrector, Departure
from sampler_service.evaluation import Evaluation
from sampler_service.grids import Step
from sampler_service.integrators import Kernel


class Unsteered(Corrector):
    steers: ClassVar[bool] = False

    def depart(
        self,
        step: Step,  # noqa: ARG002
        kernel: Kernel,
        at: Evaluation,  # noqa: ARG002
        log_weights: Tensor,
        noise: Tensor,
    ) -> Departure:
        return Departure(kernel.mean + kernel.variance**0.5 * noise, log_weights)
