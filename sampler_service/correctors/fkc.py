"""The Feynman-Kac corrector (Algorithm 2 with exact log-weights; Skreta et al. 2025, Prop. D.6).

    drift = sigma^2 (s + beta/2 grad r) - f
    dw    = [ beta' r - <beta grad r, f> + <beta grad r, sigma^2/2 s> + beta d_tau r ] dtau

The last term, d_tau = -d_t at fixed x, is there for a potential that depends on t.
The weight integral is taken by the trapezoidal rule: half a step's rate is due at each of its ends.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor

from sampler_service.correctors.base import Corrector, Departure, gradient, inner
from sampler_service.evaluation import Evaluation
from sampler_service.grids import Step
from sampler_service.integrators import Kernel


class Signs(NamedTuple):
    """Factors of the terms above, in their order; other values than 1 are wrong."""

    drift_reward: float = 1.0
    weight_reward: float = 1.0
    weight_drift: float = 1.0
    weight_score: float = 1.0
    weight_time: float = 1.0


class Fkc(Corrector):
    exact: ClassVar[bool] = True
    needs_time_derivative: ClassVar[bool] = True
    reads_gradient_on_arrival: ClassVar[bool] = True

    def __init__(self, signs: Signs = Signs()) -> None:  # noqa: B008
        self._signs = signs

    def arrive(self, step: Step, at: Evaluation, log_weights: Tensor) -> Tensor:
        return log_weights + 0.5 * self._gain(step, step.beta_next, at)

    def depart(
        self, step: Step, kernel: Kernel, at: Evaluation, log_weights: Tensor, noise: Tensor
    ) -> Departure:
        pull = self._signs.drift_reward * 0.5 * step.beta * gradient(at)
        x_next = kernel.mean + kernel.variance * pull + kernel.variance**0.5 * noise
        return Departure(x_next, log_weights + 0.5 * self._gain(step, step.beta, at))

    def _gain(self, step: Step, beta: float, at: Evaluation) -> Tensor:
        """(N,), the rate at `at` times the length of `step`."""
        signs, grad = self._signs, gradient(at)
        gain = signs.weight_reward * (step.beta_next - step.beta) * at.reward
        gain = gain - signs.weight_drift * beta * step.drift_dt * inner(grad, at.x_t)
        gain = gain + signs.weight_score * beta * 0.5 * step.sigma2_dt * inner(grad, at.score)
        if at.grad_t is not None:
            gain = gain - signs.weight_time * beta * step.dt * at.grad_t
        return gain
