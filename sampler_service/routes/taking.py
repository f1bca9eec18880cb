"""Takes a route: whichever it is, a population of the same target comes out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import torch

from apa.errors import InvalidArgument
from apa.priors.base import Prior
from apa.records.sampling import RouteName, SamplingConfig
from apa.surrogates.base import Surrogate
from sampler_service.population import Population
from sampler_service.potential import Potential, Reward, as_potential
from sampler_service.resampling import systematic
from sampler_service.routes.certificate import Certificate, certify
from sampler_service.routes.choosing import RouteChoice, choose
from sampler_service.routes.outlook import Outlook, look
from sampler_service.routes.plugin import Target, draw_by
from sampler_service.routes.registered import sampler_named
from sampler_service.routes.stored_pool import StoredPool
from sampler_service.sampling import draw_seed, sample
from sampler_service.start import start_from

JOINS_AT = 0.4
"""Where a start from stored draws joins the path, or at t_start, if that is later."""


@dataclass(frozen=True)
class Taken:
    """A population, the route that it came by, and what the stored draws had told."""

    population: Population
    choice: RouteChoice
    outlook: Outlook

    def certificate(self, num_wanted: int) -> Certificate | None:
        """What the run says of itself, for so many items; see `certify`."""
        return certify(self.population, num_wanted, self.outlook)


def take(
    prior: Prior,
    reward: Reward | Surrogate | Potential,
    config: SamplingConfig,
    pool: StoredPool,
    *,
    num_particles: int,
    route: RouteName | str | None = None,
    generator: torch.Generator | None = None,
    outlook: Outlook | None = None,
) -> Taken:
    """N particles of the prior tilted by exp(beta r), by the cheapest adequate route or the one named.

    Args:
        reward: as in `sample`.
        config: of a run, with a corrector whose weights are exact.
        route: obeyed whether it is adequate or not, also the name of a registered sampler; chosen when None.
        generator: draws the seed where the config names none; its device is where the run computes.
        outlook: of these draws at this beta, for who has it already, as from stored features.

    Raises:
        FailedPrecondition: the stored draws are another prior's.
        InvalidArgument: as `sample` does, and for a corrector without weights; or a sampler's population does
            not fit, see `draw_by`.
        NotFound: neither a route nor a sampler has that name.
        NumericalError: a run became non-finite.
    """
    potential = as_potential(reward, config.corrector)
    if potential is None:
        raise InvalidArgument("nothing to steer by", field="reward", expected="a reward", found="None")
    # Before any work: a name that nobody has is a mistake.
    plugin = None if route is None or route in get_args(RouteName) else sampler_named(route)
    seed = config.seed if config.seed is not None else draw_seed(generator)
    seeded = config.model_copy(update={"seed": seed})
    pool.check(prior)
    outlook = outlook or look(prior, pool, potential, config.beta, config.t_end)
    choice = choose(outlook, num_particles) if route is None else RouteChoice(route, "named by the caller")
    if plugin is not None:
        target = Target(prior, potential, seeded, pool, outlook)
        population = draw_by(plugin, target, num_particles, seed, pool.x.device)
    elif choice.name == "rank":
        population = rank(pool, outlook, num_particles, seed)
    elif choice.name == "pool_start":
        population = _start_from_pool(prior, potential, seeded, pool, outlook, num_particles)
    else:
        population = sample(prior, potential, seeded, num_particles=num_particles, generator=generator)
    return Taken(population, choice, outlook)


def rank(pool: StoredPool, outlook: Outlook, num_particles: int, seed: int) -> Population:
    """N of the stored draws, resampled by exp(beta r): sampling importance resampling, no step of the path.

    `ancestors` are their rows in the pool; ESS and log Z are those of all its draws.
    """
    generator = torch.Generator(pool.x.device).manual_seed(seed)
    rows = systematic(torch.softmax(outlook.tilt, dim=0), generator, num_particles)
    return Population(
        x=pool.x[rows],
        log_weights=torch.zeros(num_particles, dtype=torch.float64, device=pool.x.device),
        log_z=outlook.log_z,
        kl_to_prior=outlook.kl_to_prior,
        ess_history=(),
        ancestors=rows,
        num_resamplings=1,
        unique_ancestors=len(torch.unique(rows)),
        clip_events=0,
        seed=seed,
        tilt=outlook.tilt[rows],
    )


def _start_from_pool(
    prior: Prior,
    potential: Potential,
    config: SamplingConfig,
    pool: StoredPool,
    outlook: Outlook,
    num_particles: int,
) -> Population:
    assert config.seed is not None
    generator = torch.Generator(pool.x.device).manual_seed(config.seed)
    start = start_from(pool.x, outlook.reward, config.beta, num_particles, generator)
    return sample(
        prior, potential, joined_late(config), num_particles=num_particles, generator=generator, start=start
    )


def joined_late(config: SamplingConfig) -> SamplingConfig:
    """The rest of a run's path from JOINS_AT on, in steps of about the same length."""
    joins_at = min(JOINS_AT, config.t_start)
    share = (joins_at - config.t_end) / (config.t_start - config.t_end)
    interval = config.active_interval
    if interval is not None:
        # Where next to nothing of it is left, the rest of the path is steered.
        interval = (interval[0], min(interval[1], joins_at)) if interval[0] < 0.5 * joins_at else None
    return config.model_copy(
        update={
            "t_start": joins_at,
            "num_steps": max(1, math.ceil(share * config.num_steps)),
            "active_interval": interval,
        }
    )
