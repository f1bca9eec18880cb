"""Discrete-time twisted weights (TDS, DAS): exact for the discrete chain, whatever r does with t.

    w += log p(x'|x) - log p~(x'|x) + beta' r(x', t') - beta r(x, t),    x' = x_{t-dt}, t' = t - dt

where p = N(mean, v) is the prior's kernel and p~ = N(mean + v beta' grad r, v) proposes: to first order in v
the best of its variance, p(x'|x) exp(beta' r(x')) normalised.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from sampler_service.correctors.base import Corrector, Departure, gradient, inner
from sampler_service.evaluation import Evaluation
from sampler_service.grids import Step
from sampler_service.integrators import Kernel


class Twisted(Corrector):
    """Args:
    signs: factors of (the density ratio, the new reward, the old reward); other values are wrong.
    """

    exact: ClassVar[bool] = True

    def __init__(self, signs: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
        self._ratio_sign, self._new_sign, self._old_sign = signs

    def arrive(self, step: Step, at: Evaluation, log_weights: Tensor) -> Tensor:
        return log_weights + self._new_sign * step.beta_next * at.reward

    def depart(
        self, step: Step, kernel: Kernel, at: Evaluation, log_weights: Tensor, noise: Tensor
    ) -> Departure:
        # A step without noise has v = 0: then p~ = p, and the ratio below is 1.
        deviation = kernel.variance**0.5
        shift = deviation * step.beta_next * gradient(at)
        # x' - mean = deviation (shift + noise), so log p - log p~ = |noise|^2 / 2 - |noise + shift|^2 / 2.
        log_ratio = -inner(shift, noise + 0.5 * shift)
        gain = self._ratio_sign * log_ratio - self._old_sign * step.beta * at.reward
        return Departure(kernel.mean + deviation * (shift + noise), log_weights + gain)
