"""A process that begins from what a cohort taught, as far as the user's own answers bear that out.

    f(z) = s (phi(z) . w + r(z)) + b,   w ~ N(rho^(1/2) m, (1 - rho) I + rho C),   r ~ GP(0, k - phi phi^T)

with N(m, C) the cohort's heads. At rho = 0 this is the process that knows no cohort. The strength s, the
noise of rewards and the belief rho are chosen by evidence, on grids; without belief the plain fit stands.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.errors import NumericalError
from apa.priors.base import Prior
from apa.records.session import COMPARING, FeedbackKindName
from apa.surrogates.gp import GpSurrogate, rbf
from apa.surrogates.link import Link
from trainer_worker.fit.choices import NOISE_VARIANCE, Choices
from trainer_worker.fit.cohort import Cohort, Share
from trainer_worker.fit.encode import Encode, encode_items
from trainer_worker.fit.functions import Functions
from trainer_worker.fit.gp import MAX_CENTRES, at_one_level, places, representatives
from trainer_worker.fit.laplace import BASE_RATE_STD, find_mode, log_evidence
from trainer_worker.fit.standardise import standardise_rewards
from trainer_worker.observations import Observations

BELIEFS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""rho."""
STRENGTHS = (0.35, 0.7, 1.0, 1.4)
"""s of rewards, in their standard deviations; of choices, in those of an answer's noise times two."""
NOISES = (0.05, 0.15, 0.4, 0.9)
"""Variance of a reward's noise, in that of the rewards."""
_SMALLEST = 1e-8


@dataclass(frozen=True, eq=False)
class Rewards:
    """y: (A,) of items rows: (A,), each with the same noise: what `Choices` is of choices."""

    y: Tensor
    rows: Tensor
    noise_variance: float
    num_items: int

    def log_likelihood(self, f: Tensor) -> Tensor:
        left = (self.y - f[self.rows]).square().sum() / self.noise_variance
        return -0.5 * (left + len(self.y) * math.log(2.0 * math.pi * self.noise_variance))

    def gradient(self, f: Tensor) -> Tensor:
        residual = (self.y - f[self.rows]) / self.noise_variance
        return f.new_zeros(self.num_items).index_add(0, self.rows, residual)

    def curvature(self, f: Tensor) -> Tensor:
        return torch.diag(self.rows.bincount(minlength=self.num_items).to(f) / self.noise_variance)


@dataclass(frozen=True, eq=False)
class Shifted:
    """A likelihood of latents less an offset: (M,)."""

    of: Rewards | Choices
    offset: Tensor

    def log_likelihood(self, f: Tensor) -> Tensor:
        return self.of.log_likelihood(f + self.offset)

    def gradient(self, f: Tensor) -> Tensor:
        return self.of.gradient(f + self.offset)

    def curvature(self, f: Tensor) -> Tensor:
        return self.of.curvature(f + self.offset)


@dataclass(frozen=True, eq=False)
class _Design:
    """Of M items, over the functions, what they leave of the kernel, and the intercept.

    Attributes:
        phi: (M, P). rest: (M, Q), eigenfunctions of what is left.
        centres: (P + R, D). to_centres: (C + R, P + Q), which takes weights of both to the kernel's.
    """

    phi: Tensor
    rest: Tensor
    centres: Tensor
    to_centres: Tensor

    @classmethod
    def of(cls, functions: Functions, z: Tensor, max_centres: int) -> _Design:
        phi = functions.at(z)
        width = functions.bandwidth
        picked = torch.arange(len(z))
        if len(z) > max_centres:
            picked = torch.tensor(representatives(z, width, max_centres))
        known = phi[picked]
        values, vectors = torch.linalg.eigh(rbf(z[picked], z[picked], width) - known @ known.T)
        kept = values > _SMALLEST
        ends = vectors[:, kept] / values[kept].sqrt()
        rest = (rbf(z, z[picked], width) - phi @ known.T) @ ends
        upper = torch.cat([functions.to_centres, -functions.to_centres @ (known.T @ ends)], dim=1)
        lower = torch.cat([ends.new_zeros(len(picked), len(functions)), ends], dim=1)
        centres = torch.cat([functions.centres, z[picked]])
        return cls(phi, rest, centres, torch.cat([upper, lower]))

    @property
    def both(self) -> Tensor:
        return torch.cat([self.phi, self.rest], dim=1)


@dataclass(frozen=True, eq=False)
class _Belief:
    """N(mean, root root^T) of the functions' weights; mean: (P,), root: (P, P)."""

    mean: Tensor
    root: Tensor

    @classmethod
    def of(cls, cohort: Cohort, rho: float) -> _Belief:
        eye = torch.eye(len(cohort.mean), dtype=torch.float64)
        covariance = (1.0 - rho) * eye + rho * cohort.covariance
        return cls(math.sqrt(rho) * cohort.mean, torch.linalg.cholesky(covariance))


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Around the mode of unit coordinates u.

    Attributes:
        basis: (M, P + Q + 1), u to latents. u: (P + Q + 1,).
        offset: (M,), what the latents are expected to be before any answer.
        log_evidence: of the answers.
    """

    likelihood: Rewards | Choices
    belief: _Belief
    strength: float
    intercept_std: float
    basis: Tensor
    offset: Tensor
    u: Tensor
    log_evidence: float

    @property
    def f(self) -> Tensor:
        """(M,)."""
        return self.offset + self.basis @ self.u

    def precision(self) -> Tensor:
        """What the answers add to that of u."""
        return self.basis.T @ self.likelihood.curvature(self.f) @ self.basis


def _posterior(
    likelihood: Rewards | Choices, design: _Design, belief: _Belief, strength: float, intercept_std: float
) -> _Posterior:
    intercept = design.phi.new_full((len(design.phi), 1), intercept_std)
    basis = torch.cat([strength * design.phi @ belief.root, strength * design.rest, intercept], dim=1)
    offset = strength * design.phi @ belief.mean
    shifted = Shifted(likelihood, offset)
    u = find_mode(shifted, basis, basis.new_zeros(basis.shape[1]))
    return _Posterior(
        likelihood, belief, strength, intercept_std, basis, offset, u, log_evidence(shifted, basis, u)
    )


@dataclass(frozen=True, eq=False)
class _Problem:
    """The answers of one user on the functions' kernel."""

    observations: Observations
    design: _Design
    intercept_std: float

    @classmethod
    def of(cls, functions: Functions, observations: Observations, z: Tensor, max_centres: int) -> _Problem:
        kind = observations.kind
        std = 1.0 if kind == "scalar" else 0.0 if kind in COMPARING else BASE_RATE_STD
        return cls(observations, _Design.of(functions, z, max_centres), std)

    def best(self, belief: _Belief) -> _Posterior:
        """At the strength and noise of highest evidence."""
        tried = itertools.product(self._likelihoods(), self._strengths())
        found = [_posterior(one, self.design, belief, s, self.intercept_std) for one, s in tried]
        return max(found, key=lambda one: one.log_evidence)

    def _likelihoods(self) -> Sequence[Rewards | Choices]:
        given = self.observations
        if given.kind != "scalar":
            return [Choices.of(given)]
        y = standardise_rewards(given.values).y
        return [Rewards(y, given.item_of_value, noise, len(given.x)) for noise in NOISES]

    def _strengths(self) -> list[float]:
        kind = self.observations.kind
        unit = 1.0 if kind == "scalar" else 2.0 * math.sqrt(NOISE_VARIANCE[kind])
        return [unit * strength for strength in STRENGTHS]


def share_of(
    functions: Functions, observations: Observations, z: Tensor, max_centres: int = MAX_CENTRES
) -> Share:
    """What a member's own answers say of its head, whatever else it was taught.

    Args:
        z: (M, D), float64, where the observed items lie.

    Raises:
        NumericalError: the mode of the answers' likelihood was not found.
    """
    problem = _Problem.of(functions, observations, z, max_centres)
    size = len(functions)
    found = problem.best(_Belief.of(_nobody(size), 0.0))
    precision = found.precision()
    information = precision @ found.u + found.basis.T @ found.likelihood.gradient(found.f)
    # What is no head's own, its rest and its intercept, is integrated out.
    others = torch.linalg.inv(torch.eye(len(found.u) - size, dtype=torch.float64) + precision[size:, size:])
    through = precision[:size, size:] @ others
    kept = precision[:size, :size] - through @ precision[size:, :size]
    return Share(0.5 * (kept + kept.T), information[:size] - through @ information[size:])


def fit_warm(
    functions: Functions,
    cohort: Cohort,
    observations: Observations,
    z: Tensor,
    max_centres: int = MAX_CENTRES,
) -> GpSurrogate | None:
    """The process that begins from the cohort; None where the answers speak for none of it.

    Args:
        z: (M, D), float64, where the observed items lie.

    Raises:
        NumericalError: the mode of the answers' likelihood was not found.
    """
    problem = _Problem.of(functions, observations, z, max_centres)
    tried = [problem.best(_Belief.of(cohort, rho)) for rho in BELIEFS]
    best = max(range(len(tried)), key=lambda place: tried[place].log_evidence)
    return None if best == 0 else _surrogate(functions, problem, tried[best])


def before_answers(functions: Functions, cohort: Cohort, kind: FeedbackKindName) -> GpSurrogate:
    """What a new member is expected to like: its surrogate before the first answer."""
    belief = _Belief.of(cohort, 1.0)
    factor = _factor(belief.root @ belief.root.T)
    factor = torch.cat([factor @ functions.to_centres.T, factor.new_zeros(len(factor), 1)], dim=1)
    return GpSurrogate(
        coordinates=functions.coordinates,
        items=functions.centres.float(),
        alpha=(functions.to_centres @ belief.mean).float(),
        intercept=0.0,
        bandwidth=functions.bandwidth,
        factor=factor.float(),
        intercept_scale=0.0 if kind in COMPARING else 1.0,
        weight_std=1.0,
        reward_mean=0.0,
        reward_scale=1.0,
        link=_link(kind),
    )


def _surrogate(functions: Functions, problem: _Problem, found: _Posterior) -> GpSurrogate:
    design, kind = problem.design, problem.observations.kind
    size = len(functions)
    in_weights = torch.eye(len(found.u), dtype=torch.float64)
    in_weights[:size, :size] = found.belief.root
    weights = found.strength * in_weights[:-1] @ found.u
    weights[:size] += found.strength * found.belief.mean
    intercept = found.intercept_std * float(found.u[-1])
    unknown = torch.linalg.inv(found.precision() + torch.eye(len(found.u), dtype=torch.float64))
    factor = _factor(in_weights @ unknown @ in_weights.T)
    if kind in COMPARING:
        factor = at_one_level(factor, design.both)
    mean, scale = _unit(problem.observations, found, unknown)
    # Rewards are standardised already, choices are not.
    shift, per = (0.0, 1.0) if kind == "scalar" else (mean, scale)
    intercept_scale = found.intercept_std / found.strength
    return GpSurrogate(
        coordinates=functions.coordinates,
        items=design.centres.float(),
        alpha=(design.to_centres @ weights / per).float(),
        intercept=(intercept - shift) / per,
        bandwidth=functions.bandwidth,
        factor=torch.cat(
            [factor[:, :-1] @ design.to_centres.T, intercept_scale * factor[:, -1:]], dim=1
        ).float(),
        intercept_scale=intercept_scale,
        weight_std=found.strength / per,
        reward_mean=mean,
        reward_scale=scale,
        link=_link(kind),
    )


def _unit(observations: Observations, found: _Posterior, unknown: Tensor) -> tuple[float, float]:
    """Mean and scale of a standardised unit: of the rewards, or of what the choices express."""
    if observations.kind == "scalar":
        _, mean, scale = standardise_rewards(observations.values)
        return mean, scale
    covariance = found.basis @ unknown @ found.basis.T
    apart = float(covariance.diagonal().mean() - covariance.mean())
    variance = float(found.f.var(correction=0)) + max(apart, 0.0) + NOISE_VARIANCE[observations.kind]
    return float(found.f.mean()), math.sqrt(variance)


def _factor(covariance: Tensor) -> Tensor:
    """(K, P), with covariance = I - factor^T factor."""
    eye = torch.eye(len(covariance), dtype=covariance.dtype)
    values, vectors = torch.linalg.eigh(eye - 0.5 * (covariance + covariance.T))
    if not bool(torch.isfinite(values).all()):
        raise NumericalError(
            "the posterior is not finite", field="answers", expected="finite numbers", found="NaN or infinity"
        )
    kept = values > 1e-9
    factor: Tensor = (vectors[:, kept] * values[kept].sqrt()).T
    return factor


def _link(kind: FeedbackKindName) -> Link:
    return "logistic" if kind == "binary" else "identity"


def _nobody(size: int) -> Cohort:
    eye = torch.eye(size, dtype=torch.float64)
    return Cohort(torch.zeros(size, dtype=torch.float64), eye, 0)


@dataclass(frozen=True, eq=False)
class WarmStart:
    """What a new member of a cohort begins from."""

    functions: Functions
    cohort: Cohort

    def before_answers(self, kind: FeedbackKindName) -> GpSurrogate:
        return before_answers(self.functions, self.cohort, kind)

    def fit(
        self, prior: Prior, observations: Observations, seed: int, encode: Encode = encode_items
    ) -> GpSurrogate | None:
        """`fit_warm` on observed items, wherever they lie."""
        z = places(prior, self.functions.coordinates, observations.x, seed, encode)
        return fit_warm(self.functions, self.cohort, observations, z)
