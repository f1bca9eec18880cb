"""The potential r(x_t, t, denoiser output) that tilts the prior's path, and what is adapted to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from apa.errors import FailedPrecondition
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
