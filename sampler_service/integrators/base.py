"""What an integrator is: from an evaluation at t to the prior's kernel p(x_{t-dt} | x_t)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from sampler_service.evaluation import Evaluation
from sampler_service.grids import Step


class Kernel(NamedTuple):
    """The Gaussian p(x_{t-dt} | x_t) = N(mean, variance I).

    Attributes:
        mean: (N, *data_shape).
        variance: one number for all; 0 for a step without noise.
    """

    mean: Tensor
    variance: float


Integrator = Callable[[Step, Evaluation], Kernel]
