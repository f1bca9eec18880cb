"""Algorithm 2 as the paper prints it: both clips, no resampling, and w only ranks.

The line of Algorithm 1 that moves the particles has no -f, which Algorithm 2 has; both are there by name.
Kept so that the paper can be reproduced. The clips remove the correction almost entirely, so the
population does not follow p_t and there is no log Z.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from apa.records.sampling import IntegratorName
from sampler_service.correctors.base import Corrector, Departure, gradient, inner
from sampler_service.evaluation import Evaluation
from sampler_service.grids import Step
from sampler_service.integrators import Kernel

DW_LIMIT = 0.1
W_MIN, W_MAX = 0.1, 10.0


class Clipped(Corrector):
    """Args:
    with_drift: whether -f is in the drift, as in Algorithm 2, or is not, as in Algorithm 1.
    """

    takes_interval: ClassVar[bool] = False
    integrators: ClassVar[tuple[IntegratorName, ...]] = ("euler_maruyama",)

    def __init__(self, *, with_drift: bool = True) -> None:
        self._with_drift = with_drift

    def depart(
        self,
        step: Step,
        kernel: Kernel,  # noqa: ARG002
        at: Evaluation,
        log_weights: Tensor,
        noise: Tensor,
    ) -> Departure:
        grad, dt = gradient(at), step.dt
        f = step.drift_rate * at.x_t
        drift = step.sigma2 * (at.score + 0.5 * step.beta * grad)
        if self._with_drift:
            drift = drift - f
        x_next = at.x_t + drift * dt + (step.sigma2 * dt) ** 0.5 * noise

        term_1 = (step.beta_next - step.beta) * at.reward
        term_2 = -step.beta * dt * inner(grad, f)
        term_3 = step.beta * 0.5 * step.sigma2 * dt * inner(grad, at.score)
        dw = term_1 + term_2 + term_3
        clipped_dw = dw.clamp(-DW_LIMIT, DW_LIMIT)
        w = log_weights + clipped_dw
        clipped_w = w.clamp(W_MIN, W_MAX)
        clip_events = (clipped_dw != dw).sum() + (clipped_w != w).sum()
        return Departure(x_next, clipped_w, clip_events)
