"""What stored draws tell of a target before anything is sampled: importance sampling from the prior.

    W = softmax(beta r),   ESS = 1 / sum W^2,   log Z = log mean exp(beta r),   KL = E_W[beta r] - log Z

About exp(KL) draws are needed (Chatterjee and Diaconis 2018). Where there are far fewer, the ESS is near 1
and the KL is underestimated: it cannot exceed log M.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.errors import ApaError
from apa.priors.base import Prior
from sampler_service.evaluation import Part, evaluate_all
from sampler_service.potential import Potential
from sampler_service.routes.stored_pool import StoredPool
from sampler_service.scheduler_batches import batch_elements, rows_of
from sampler_service.start import ess_of


@dataclass(frozen=True, eq=False)
class Outlook:
    """Of M stored draws.

    Attributes:
        reward: (M,), float64, the run's own r at the data end.
        beta: of the target.
    """

    reward: Tensor
    beta: float

    @property
    def tilt(self) -> Tensor:
        """(M,), beta r: the draws' log-weights."""
        return self.beta * self.reward

    @property
    def ess(self) -> float:
        """1 to M."""
        return ess_of(self.tilt)

    @property
    def log_z(self) -> float:
        return float(torch.logsumexp(self.tilt, dim=0)) - math.log(len(self.tilt))

    @property
    def kl_to_prior(self) -> float:
        """In nats."""
        return float((torch.softmax(self.tilt, dim=0) * self.tilt).sum()) - self.log_z


def look(prior: Prior, pool: StoredPool, potential: Potential, beta: float, t_end: float) -> Outlook:
    """Reads the reward of every stored draw where a run reads it last; one denoiser call for each.

    Raises:
        FailedPrecondition: the draws are another prior's.
        InvalidArgument: the reward raises or has the wrong shape.
    """
    pool.check(prior)
    rows = rows_of(math.prod(prior.data_shape), batch_elements(pool.x.device.type))
    parts = [reward_of(prior, potential, x, t_end) for x in torch.split(pool.x, rows)]
    return Outlook(torch.cat(parts), beta)


def reward_of(prior: Prior, potential: Potential, x: Tensor, t: float) -> Tensor:
    """(M,), float64: the reward of x: (M, *data_shape) at t, in one denoiser call."""
    (evaluation,) = evaluate_all(prior, [Part(x, t, potential, wants_gradient=False)])
    if isinstance(evaluation, ApaError):
        raise evaluation
    return evaluation.reward
