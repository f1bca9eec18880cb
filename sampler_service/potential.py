"""The potential r(x_t, t, denoiser output) that tilts the prior's path, and what is adapted to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from apa.errors import FailedPrecondition, InvalidArgument
from apa.priors.base import Denoised, Prior
from apa.records.sampling import CorrectorName
from apa.surrogates.base import Surrogate

Reward = Callable[[Tensor], Tensor]
"""(N, *data_shape) -> (N,), differentiable."""


@runtime_checkable
class Potential(Protocol):
    """What a corrector steers by: p_t is proportional to q_t exp(beta_t r)."""

    @property
    def depends_on_t(self) -> bool:
        """Whether r changes with t at fixed x."""

    @property
    def uses_denoiser(self) -> bool:
        """Whether r reads the denoiser's output, so that its gradient goes through the denoiser."""

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        """r at (x_t, t): (N,), differentiable in x_t (N, *data_shape), and in t (N,) if it depends on it."""


@dataclass(frozen=True)
class RewardPotential:
    """A plain reward, read at x_t whatever t is."""

    reward: Reward
    depends_on_t: bool = False
    uses_denoiser: bool = False

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:  # noqa: ARG002
        return self.reward(x_t)


@dataclass(frozen=True)
class DenoisedRewardPotential:
    """A plain reward, read at the denoised estimate x_0_hat(x_t, t)."""

    reward: Reward
    depends_on_t: bool = True
    uses_denoiser: bool = True

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:  # noqa: ARG002
        return self.reward(denoised.x_0_hat)


@dataclass(frozen=True)
class SurrogatePotential:
    """A learned reward."""

    surrogate: Surrogate

    @property
    def depends_on_t(self) -> bool:
        return self.surrogate.depends_on_t

    @property
    def uses_denoiser(self) -> bool:
        # A surrogate without a prior's hash reads x_t alone; its gradient need not touch the denoiser.
        return self.surrogate.depends_on_t or bool(self.surrogate.prior_hash)

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        return self.surrogate.value(x_t, t, denoised)


@dataclass(frozen=True)
class Repelled:
    """Another potential, less how close the denoised estimate is to what was already shown.

        r(x_t, t) - strength mean_j exp(-|x_0_hat - shown_j|^2 / (2 width^2))

    A term of the potential, not of the drift alone: the weights are exact for the target that it changes.

    Attributes:
        shown: (M, *data_shape), M at least 1.
        strength: in units of r.
        width: of the kernel, in distances of the data; see `median_width`.
    """

    potential: Potential
    shown: Tensor
    strength: float
    width: float
    depends_on_t: bool = True
    uses_denoiser: bool = True

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        x, shown = denoised.x_0_hat.flatten(1), self.shown.to(denoised.x_0_hat).flatten(1)
        # By products: (N, M) numbers, where differences would be (N, M, D).
        squared = x.square().sum(dim=1, keepdim=True) + shown.square().sum(dim=1) - 2.0 * x @ shown.T
        closeness = torch.exp(-0.5 * squared.clamp(min=0.0) / self.width**2).mean(dim=1)
        return self.potential.value(x_t, t, denoised) - self.strength * closeness


def repelled(
    potential: Potential | None, shown: Tensor, strength: float, width: float | None = None
) -> Potential | None:
    """`potential` repelled from `shown` (M, *data_shape); itself where there is nothing to repel, or from.

    Raises:
        InvalidArgument: strength is negative, width not positive, or either not finite.
    """
    if not 0.0 <= strength < math.inf:
        raise _out_of_range("strength", "at least 0", strength)
    if width is not None and not 0.0 < width < math.inf:
        raise _out_of_range("width", "above 0", width)
    if potential is None or strength == 0.0 or len(shown) == 0:
        return potential
    return Repelled(potential, shown, strength, median_width(shown) if width is None else width)


def median_width(shown: Tensor) -> float:
    """The median distance between two of `shown` (M, *data_shape) that differ; sqrt(D) where no two do."""
    distances = torch.pdist(shown.flatten(1).double())
    distances = distances[distances > 0.0]
    return float(distances.median()) if len(distances) else math.sqrt(shown[0].numel())


def _out_of_range(name: str, expected: str, found: float) -> InvalidArgument:
    return InvalidArgument(
        f"the {name} of the repulsion is out of range",
        field=f"repulsion.{name}",
        expected=expected,
        found=str(found),
    )


def as_potential(
    reward: Reward | Surrogate | Potential | None, corrector: CorrectorName = "fkc"
) -> Potential | None:
    """Adapts whatever the caller has; None stays None, which is the prior itself.

    A plain reward is read at x_t, but by `twisted` at x_0_hat, as its authors do: both are exact there, and
    the lowest ESS on a mild quadratic reward is 0.9 N at x_0_hat and 0.5 N at x_t. To choose, pass a
    RewardPotential or a DenoisedRewardPotential.
    """
    if reward is None:
        return None
    if isinstance(reward, Surrogate):
        return SurrogatePotential(reward)
    if isinstance(reward, Potential):
        return reward
    return DenoisedRewardPotential(reward) if corrector == "twisted" else RewardPotential(reward)


def check_prior(potential: Potential | None, prior: Prior) -> None:
    """A surrogate on a prior's features means nothing on another's.

    Raises:
        FailedPrecondition: it was fitted on another prior.
    """
    if isinstance(potential, Repelled):
        check_prior(potential.potential, prior)
    if not isinstance(potential, SurrogatePotential):
        return
    fitted_on = potential.surrogate.prior_hash
    if fitted_on not in ("", prior.content_hash):
        raise FailedPrecondition(
            "the surrogate was fitted on another prior",
            field="surrogate",
            expected=prior.content_hash[:16],
            found=fitted_on[:16],
        )
