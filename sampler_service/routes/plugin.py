"""A sampler of somebody else's beside the three routes: what it is given, and what it hands back.

It runs in-process only: the served sampler shares its device thread among users, and a stranger's loop would
hold it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from apa.errors import ApaError, InvalidArgument, NumericalError
from apa.priors.base import Prior
from apa.records.sampling import SamplingConfig
from sampler_service.evaluation import Evaluation, Part, evaluate_all
from sampler_service.population import Population
from sampler_service.potential import Potential
from sampler_service.routes.outlook import Outlook
from sampler_service.routes.stored_pool import StoredPool


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be sampled: the prior tilted by exp(beta r).

    Attributes:
        potential: r; at the data end it is the reward.
        config: of a run: beta, t_start, t_end and num_steps, to be taken as far as a method has them.
        pool, outlook: stored draws of the prior, and their r at the data end; None where there are none.
    """

    prior: Prior
    potential: Potential
    config: SamplingConfig
    pool: StoredPool | None = None
    outlook: Outlook | None = None

    @property
    def beta(self) -> float:
        return self.config.beta

    def evaluate(self, x_t: Tensor, t: float, *, gradient: bool = False) -> Evaluation:
        """x_0_hat, the score and r at (x_t, t), and where asked grad_x r, in one denoiser call.

        Args:
            x_t: (N, *data_shape).

        Raises:
            InvalidArgument: the reward raises, is not differentiable or has the wrong shape.
        """
        (found,) = evaluate_all(self.prior, [Part(x_t, t, self.potential, wants_gradient=gradient)])
        if isinstance(found, ApaError):
            raise found
        return found


class Sampler(Protocol):
    """Any method that draws from a target."""

    def __call__(self, target: Target, num_particles: int, generator: torch.Generator) -> Population:
        """N particles at the data end.

        Args:
            generator: the only source of randomness, so that a seed gives the same particles again; its
                device is where to compute.
        """


def handed_back(
    x: Tensor,
    log_weights: Tensor | None = None,
    log_z: float | None = None,
    *,
    kl_to_prior: float | None = None,
    ancestors: Tensor | None = None,
    num_resamplings: int = 0,
    denoiser_evaluations: int = 0,
) -> Population:
    """The population of a sampler that knows only some of its fields.

    Args:
        x: (N, *data_shape).
        log_weights: (N,), unnormalised; equal when None.
        log_z: estimate of log E_q[exp(beta r)]; None where the method has none.
        ancestors: (N,), which particles share one; each its own when None.
    """
    x = x.detach()
    n = len(x)
    weights = torch.zeros(n, device=x.device) if log_weights is None else log_weights.detach()
    own = torch.arange(n, device=x.device) if ancestors is None else ancestors
    return Population(
        x=x,
        log_weights=weights.double(),
        log_z=log_z,
        kl_to_prior=kl_to_prior,
        ess_history=(),
        ancestors=own,
        num_resamplings=num_resamplings,
        unique_ancestors=len(torch.unique(own)),
        clip_events=0,
        seed=0,
        denoiser_evaluations=denoiser_evaluations,
    )


def draw_by(
    sampler: Sampler, target: Target, num_particles: int, seed: int, device: torch.device | str = "cpu"
) -> Population:
    """Calls the sampler with a generator of that seed, and looks at what it hands back.

    Raises:
        InvalidArgument: it raised, or handed back something else than N particles with their weights.
        NumericalError: a particle or log Z is not finite, or no particle has any weight.
    """
    generator = torch.Generator(device).manual_seed(seed)
    try:
        population = sampler(target, num_particles, generator)
    except ApaError:
        raise
    except Exception as error:
        raise _refused(
            "the sampler raised", "a Population", f"{type(error).__name__}: {error}"[:200]
        ) from error
    _check(population, (num_particles, *target.prior.data_shape))
    return replace(population, seed=seed)


def _check(population: object, shape: tuple[int, ...]) -> None:
    if not isinstance(population, Population):
        raise _refused("the sampler hands back no population", "a Population", type(population).__name__)
    x, log_weights, ancestors = population.x, population.log_weights, population.ancestors
    for name, found, wanted, dtype in (
        ("x", x, shape, torch.float32),
        ("log_weights", log_weights, shape[:1], torch.float64),
        ("ancestors", ancestors, shape[:1], torch.int64),
    ):
        if not isinstance(found, Tensor) or tuple(found.shape) != wanted or found.dtype != dtype:
            raise _refused(f"the sampler's {name} do not fit the run", f"{wanted}, {dtype}", _told(found))
    if not bool(torch.isfinite(x).all()):
        raise _not_finite("particles", "finite numbers")
    # A weight of nothing may be: minus infinity.
    if not math.isfinite(float(torch.logsumexp(log_weights, dim=0))):
        raise _not_finite("log_weights", "numbers or -inf, not all of them")
    if population.log_z is not None and not math.isfinite(population.log_z):
        raise _not_finite("log_z", "a finite number or None")


def _told(found: object) -> str:
    return f"{tuple(found.shape)}, {found.dtype}" if isinstance(found, Tensor) else type(found).__name__


def _refused(message: str, expected: str, found: str) -> InvalidArgument:
    return InvalidArgument(message, field="sampler", expected=expected, found=found)


def _not_finite(what: str, expected: str) -> NumericalError:
    return NumericalError(f"the sampler's {what} are not finite", field="sampler", expected=expected)
