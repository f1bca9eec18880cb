"""What a corrector supplies; the loop that calls it stands once, in `sampler_service/run.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from apa.records.sampling import IntegratorName
from sampler_service.evaluation import Evaluation
from sampler_service.grids import Step
from sampler_service.integrators import Kernel


class Departure(NamedTuple):
    """One step taken.

    Attributes:
        x_next: (N, *data_shape), at t - dt.
        log_weights: (N,), float64.
        clip_events: a 0-dim count of values that a clip changed; None where nothing clips.
    """

    x_next: Tensor
    log_weights: Tensor
    clip_events: Tensor | None = None


class Corrector(ABC):
    """A drift and its weights, over N particles.

    Attributes:
        steers: whether it reads the potential.
        exact: whether its weights make the population follow p_t; only then are there resampling and log Z.
        needs_time_derivative: whether it wants d r / d t of a potential that depends on t.
        integrators: those whose kernel it can correct.
    """

    steers: ClassVar[bool] = True
    exact: ClassVar[bool] = False
    needs_time_derivative: ClassVar[bool] = False
    integrators: ClassVar[tuple[IntegratorName, ...]] = ("euler_maruyama", "ancestral")

    def arrive(self, step: Step, at: Evaluation, log_weights: Tensor) -> Tensor:  # noqa: ARG002
        """log_weights (N,) with what is due at the end of `step`, where `at` was evaluated."""
        return log_weights

    @abstractmethod
    def depart(
        self, step: Step, kernel: Kernel, at: Evaluation, log_weights: Tensor, noise: Tensor
    ) -> Departure:
        """One step from (x_t, t), with the weight that is due at its start.

        Args:
            kernel: the prior's own p(x_{t-dt} | x_t).
            noise: (N, *data_shape), standard normal.
        """


def inner(left: Tensor, right: Tensor) -> Tensor:
    """<left, right> for each particle: (N, *data_shape) twice -> (N,), float64."""
    return (left * right).flatten(1).sum(dim=1, dtype=torch.float64)


def gradient(at: Evaluation) -> Tensor:
    """The potential's gradient, which a steering corrector's evaluation always has."""
    assert at.grad_x is not None, "a steering corrector was given an evaluation without a gradient"
    return at.grad_x
