"""Bayesian linear heads on answers that are choices: Laplace's approximation, strength by its evidence.

The model, for a design Z (M, F): latents f = Z w + b with w ~ N(0, s^2 I), b ~ N(0, BASE_RATE_STD^2) for
likes and none where answers only order, and choices that depend on f. The mode is found in coordinates u with
f = basis u and u ~ N(0, I), about as many as the smaller of items and features. That is the item-space form
of Rasmussen and Williams 2006, ch. 3.4, with the basis as the root of their K.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from apa.errors import NumericalError
from trainer_worker.fit.choices import Choices
from trainer_worker.fit.ridge import log_prior

RATIOS = torch.logspace(-3, 3, 25, dtype=torch.float64)
"""Variance of an answer's noise over that of a weight, four points a decade; beyond, answers tell nothing."""
COARSE_RATIOS = torch.logspace(-2, 1.5, 5, dtype=torch.float64)
"""Enough to compare designs by."""
BASE_RATE_STD = 3.0
"""Of the intercept of likes: base rates from 5% to 95% lie within one, from 0.3% to 99.7% within two."""

MAX_STEPS = 100
_MAX_HALVINGS = 40
_TOLERANCE = 1e-12
"""Squared length of the last Newton step, in posterior standard deviations."""
_SUFFICIENT = 1e-4
"""Share of the increase that the slope promises which a step has to bring (Armijo)."""


class Likelihood(Protocol):
    """Of latents f: (M,), log-concave: what `Choices` is."""

    def log_likelihood(self, f: Tensor) -> Tensor: ...

    def gradient(self, f: Tensor) -> Tensor: ...

    def curvature(self, f: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class LaplacePosterior:
    """N(weights, weight_std^2 (I - factor^T factor)) for designs [z, intercept_scale]; the items' latents.

    Attributes:
        weights: (F + 1,). factor: (K, F + 1).
        f: (M,), at the mode. f_covariance: (M, M).
        log_evidence: Laplace's log p(choices), plus the log prior of the ratio that was chosen.
    """

    weights: Tensor
    factor: Tensor
    weight_std: float
    intercept_scale: float
    f: Tensor
    f_covariance: Tensor
    log_evidence: float = 0.0


def choose_posterior(
    choices: Choices,
    design: Tensor,
    noise_variance: float,
    intercept_std: float,
    ratios: Tensor = RATIOS,
) -> LaplacePosterior:
    """The posterior at the ratio of highest posterior probability.

    Args:
        design: (M, F), float64.
        ratios: (G,), ascending, among which it is sought.
        noise_variance: of an answer; over a ratio it is the variance of a weight.
        intercept_std: of the intercept; 0 for none.

    Raises:
        NumericalError: Newton's method did not converge.
    """
    root = Root.of(design)
    modes: list[Tensor] = []
    evidence: list[float] = []
    u = root.origin()
    # From the weakest on: each mode is near the one before.
    for weight_std in (noise_variance / ratios.flip(0)).sqrt().tolist():
        basis = root.basis(weight_std, intercept_std)
        u = find_mode(choices, basis, u)
        modes.append(u)
        evidence.append(log_evidence(choices, basis, u))
    found = torch.tensor(evidence, dtype=torch.float64) + log_prior(ratios.flip(0))
    best = int(found.argmax())
    weight_std = math.sqrt(noise_variance / float(ratios.flip(0)[best]))
    chosen = laplace_posterior(choices, root, weight_std, intercept_std, modes[best])
    return replace(chosen, log_evidence=float(found[best]))


@dataclass(frozen=True, eq=False)
class Root:
    """Z = left @ right; left: (M, K), right: (K, F) with orthonormal rows, K = min(M, F)."""

    left: Tensor
    right: Tensor

    @classmethod
    def of(cls, design: Tensor) -> Root:
        left, values, right = torch.linalg.svd(design, full_matrices=False)
        return cls(left * values, right)

    def origin(self) -> Tensor:
        """(K + 1,), coordinates of the prior's mean."""
        return self.left.new_zeros(self.left.shape[1] + 1)

    def basis(self, weight_std: float, intercept_std: float) -> Tensor:
        """(M, K + 1)."""
        intercept = self.left.new_full((len(self.left), 1), intercept_std)
        return torch.cat([weight_std * self.left, intercept], dim=1)

    def to_weights(self, rows: Tensor) -> Tensor:
        """Rows (R, K + 1) of coordinates as rows (R, F + 1) of weights."""
        return torch.cat([rows[:, :-1] @ self.right, rows[:, -1:]], dim=1)


def find_mode(choices: Likelihood, basis: Tensor, u: Tensor) -> Tensor:
    """(P,), where log p(choices | basis u) - u^2 / 2 is highest; u: (P,), where to start. It is concave.

    Raises:
        NumericalError: Newton's method did not converge.
    """
    for _ in range(MAX_STEPS):
        slope = basis.T @ choices.gradient(basis @ u) - u
        step = torch.cholesky_solve(slope[:, None], _root_of_precision(choices, basis, u))[:, 0]
        gain = float(slope @ step)
        if gain <= _TOLERANCE:
            return u
        u = _improved(choices, basis, u, step, gain)
    raise _not_found(f"convergence in {MAX_STEPS} Newton steps", f"a last one of squared length {gain:.3g}")


def log_evidence(choices: Likelihood, basis: Tensor, u: Tensor) -> float:
    """Laplace's log p(choices), integrated over u around its mode."""
    log_det = 2.0 * _root_of_precision(choices, basis, u).diagonal().log().sum()
    return _objective(choices, basis, u) - 0.5 * float(log_det)


def _improved(choices: Likelihood, basis: Tensor, u: Tensor, step: Tensor, gain: float) -> Tensor:
    """u moved along the step, as far as it brings its share of what the slope promises."""
    start, size = _objective(choices, basis, u), 1.0
    for _ in range(_MAX_HALVINGS):
        moved = u + size * step
        # Rounding of the objective, where what is left to gain is smaller than it.
        if _objective(choices, basis, moved) >= start + _SUFFICIENT * size * gain - 1e-12 * abs(start):
            return moved
        size *= 0.5
    return u


def _objective(choices: Likelihood, basis: Tensor, u: Tensor) -> float:
    return float(choices.log_likelihood(basis @ u) - 0.5 * u @ u)


def _precision(choices: Likelihood, basis: Tensor, u: Tensor) -> Tensor:
    """(P, P), of the posterior of u: I + basis^T W basis."""
    curvature = basis.T @ choices.curvature(basis @ u) @ basis
    return curvature + torch.eye(len(u), dtype=u.dtype)


def _root_of_precision(choices: Likelihood, basis: Tensor, u: Tensor) -> Tensor:
    factored = torch.linalg.cholesky_ex(_precision(choices, basis, u))
    if int(factored.info):
        raise _not_found("a positive definite precision", "one that is not, or not finite")
    root: Tensor = factored.L
    return root


def _not_found(expected: str, found: str) -> NumericalError:
    return NumericalError(
        "the surrogate's mode was not found", field="answers", expected=expected, found=found
    )


def laplace_posterior(
    choices: Choices, root: Root, weight_std: float, intercept_std: float, u: Tensor
) -> LaplacePosterior:
    """The Gaussian around the mode u: (K + 1,)."""
    basis = root.basis(weight_std, intercept_std)
    values, vectors = torch.linalg.eigh(_precision(choices, basis, u))
    # No eigenvalue is below 1 but by rounding.
    values = values.clamp(min=1.0)
    learnt = (1.0 - 1.0 / values).sqrt()[:, None] * vectors.T
    half = basis @ (vectors / values.sqrt())
    return LaplacePosterior(
        weights=weight_std * root.to_weights(u[None])[0],
        factor=root.to_weights(learnt),
        weight_std=weight_std,
        intercept_scale=intercept_std / weight_std,
        f=basis @ u,
        f_covariance=half @ half.T,
    )


def spread(posterior: LaplacePosterior, noise_variance: float) -> float:
    """Standard deviation of what the user's answers express about the items, the answers' noise included.

    It is to latents what the standard deviation of the rewards is to scalar answers: sqrt(V + noise), with V
    the expected variance of the latents among the items. At least the noise, also where all answers agree.
    """
    among_means = float(posterior.f.var(correction=0))
    covariance = posterior.f_covariance
    unknown = float(covariance.diagonal().mean() - covariance.mean())
    return math.sqrt(among_means + max(unknown, 0.0) + noise_variance)
