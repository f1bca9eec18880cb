"""Where a run begins instead of in pure noise: items of the prior, chosen by their reward and noised.

Stored draws x_0 ~ q_0 are resampled by exp(g(x_0)), whatever g is, and noised to t. The pair (x_0, x_t) then
has the density q_t(x_t) q(x_0 | x_t) exp(g(x_0)) / Z_g, as q_0(x_0) q(x_t | x_0) is q_t(x_t) q(x_0 | x_t). Of
the target p_t(x_t) q(x_0 | x_t), whose x_t follow p_t, a particle therefore weighs

    exp(beta_t r(x_t, t) - g(x_0)),    and log Z starts at log Z_g, the draws' own log mean exp(g)

which is exact: x_0 is an auxiliary variable that nothing reads again (Del Moral, Doucet and Jasra 2006).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.errors import InvalidArgument
from sampler_service.resampling import systematic

_HALVINGS = 20
"""To a millionth of beta."""


@dataclass(frozen=True)
class Start:
    """N items to begin at.

    Attributes:
        x_0: (N, *data_shape), not noised.
        rows: (N,), of the stored draws: a particle's ancestor.
        tilt: (N,), float64, g of each.
        log_z: log Z_g.
        share: of beta that beta_t has where the run starts, in [0, 1].
    """

    x_0: Tensor
    rows: Tensor
    tilt: Tensor
    log_z: float
    share: float

    def check(self, num_particles: int, data_shape: tuple[int, ...], *, exact: bool) -> None:
        """Raises InvalidArgument unless a run of so many such particles may begin here."""
        wanted = (num_particles, *data_shape)
        if tuple(self.x_0.shape) != wanted:
            raise _refused(
                "the items to start from do not fit the run", str(wanted), str(tuple(self.x_0.shape))
            )
        if not exact:
            raise _refused(
                "only exact weights correct what a run starts from", "fkc or twisted", "no weights"
            )


def start_from(
    x_0: Tensor, reward: Tensor, beta: float, num_particles: int, generator: torch.Generator
) -> Start:
    """N of the stored draws x_0: (M, *data_shape), resampled by as much of beta as leaves an ESS of N.

    Args:
        reward: (M,), what the draws are worth, standardised as the run's own.
        generator: draws the point at which systematic resampling begins.
    """
    reward = reward.double()
    share = largest_share(reward * beta, num_particles)
    tilt = share * beta * reward
    rows = systematic(torch.softmax(tilt, dim=0), generator, num_particles)
    log_z = float(torch.logsumexp(tilt, dim=0)) - math.log(len(tilt))
    return Start(x_0[rows], rows, tilt[rows], log_z, share)


def largest_share(tilt: Tensor, least_ess: float) -> float:
    """The largest share in [0, 1] at which exp(share tilt) leaves M draws an ESS of at least so many.

    Args:
        tilt: (M,), float64.
    """
    if ess_of(tilt) >= least_ess:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if ess_of(middle * tilt) >= least_ess else (low, middle)
    return low


def ess_of(log_weights: Tensor) -> float:
    """1 / sum softmax(w)^2 of log-weights (M,)."""
    weights = torch.exp(log_weights - log_weights.max())
    return float(weights.sum().square() / weights.square().sum())


def _refused(message: str, expected: str, found: str) -> InvalidArgument:
    return InvalidArgument(message, field="start", expected=expected, found=found)
