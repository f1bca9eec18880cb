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
        reads_gradient_on_arrival: whether `arrive` wants the gradient; without it, one is computed only where
            `depart` follows.
        takes_interval: whether it may be left out of a part of the path.
        integrators: those whose kernel it can correct.
    """

    steers: ClassVar[bool] = True
    exact: ClassVar[bool] = False
    needs_time_derivative: ClassVar[bool] = False
    reads_gradient_on_arrival: ClassVar[bool] = False
    takes_interval: ClassVar[bool] = True
    integrators: ClassVar[tuple[IntegratorName, ...]] = ("euler_maruyama", "ancestral", "analytic")

    def arrive(self, step: Step, at: Evaluation, log_weights: Tensor) -> Tensor:  # noqa: ARG002
        """log_weights (N,) with what is due at the end of `step`, where `at` was evaluated."""
        return log_weights

    def close(self, beta: float, at: Evaluation, left: Tensor, log_weights: Tensor) -> Tensor:
        """log_weights (N,) at the end of a path whose last part was the prior's own kernel.

        That kernel turns q_t exp(beta r(x_t)) at t_min into the law of the end times exp(beta r) of where
        each particle was then, so that beta r(x_0) - beta r(x_t_min) makes it exact.

        Args:
            left: (N,), r where each particle left the active interval.
        """
        return log_weights + beta * (at.reward - left)

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
