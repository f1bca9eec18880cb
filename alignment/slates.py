"""One slate, as the sampler's service makes it: config resolved, run, distinct candidates, policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.records.sampling import SamplingConfig, SamplingOverrides
from apa.records.session import Session, SessionConfig
from apa.records.slate import Slate
from apa.store.slates import Reservation
from apa.surrogates.base import Surrogate
from sampler_service.calls import Job, SampleCall, cold_particles, resolve_config
from sampler_service.config import SamplerSettings
from sampler_service.expecting import AtOnce
from sampler_service.population import Population
from sampler_service.routing import Ranked
from sampler_service.sampling import sample
from sampler_service.showing import make_slate

SESSION_ID = "in-process"

Draw = Callable[[Job], Population | Ranked]
"""The population of a round, whose distinct particles the policy chooses from; or ranked stored draws."""


def steered(job: Job) -> Population:
    """A run of the sampler, as the service does it."""
    return sample(job.prior, job.surrogate, job.config, num_particles=job.num_particles)


@dataclass(frozen=True)
class Shown:
    """A slate with its items x: (k, *data_shape), and the population that they were chosen from."""

    slate: Slate
    x: Tensor
    population: Population

    @property
    def item_ids(self) -> set[str]:
        """What is not shown again: items of a catalogue, and stored draws by their names."""
        named = ((item.item_id, item.stored_draw) for item in self.slate.items)
        return {name for names in named for name in names if name}


def show(
    prior: Prior,
    surrogate: Surrogate | None,
    config: SessionConfig,
    round_index: int,
    asked: int,
    seed: int,
    shown_before: Collection[str] = (),
    draw: Draw = steered,
    beta_factor: float = 1.0,
) -> Shown:
    """The slate of one round: steered by the surrogate, or the prior's own draws without one.

    Args:
        asked: answers that the slate asks for.
        shown_before: ids of catalogue items, and names of stored draws, that are not shown again.
        draw: where the population comes from.
        beta_factor: of the surrogate, see `RefitQuality`.
    """
    job = _job(prior, surrogate, config, round_index, asked, seed, beta_factor)
    drawn = draw(job)
    population, everything = (
        (drawn.population, drawn.candidates) if isinstance(drawn, Ranked) else (drawn, None)
    )
    made = make_slate(job, population, shown_before, math.inf, AtOnce(), everything=everything)
    items = [torch.from_numpy(particle.x) for particle in made.particles]
    x = torch.stack(items) if items else population.x[:0]
    return Shown(made.slate, x, population)


def resolved(prior: Prior, config: SessionConfig) -> SamplingConfig:
    """How the runs of such a session are computed, where the service's own defaults are not changed."""
    return _job(prior, None, config, 0, config.particles_per_round, 0).config.model_copy(
        update={"seed": None}
    )


def _job(
    prior: Prior,
    surrogate: Surrogate | None,
    config: SessionConfig,
    round_index: int,
    asked: int,
    seed: int,
    beta_factor: float = 1.0,
) -> Job:
    session = Session(session_id=SESSION_ID, config=config, created_at=0.0)
    call = SampleCall(
        request_id=f"round-{round_index}",
        session_id=SESSION_ID,
        prior="",
        num_particles=0,
        sampling=SamplingOverrides(seed=seed),
        include_particles=False,
        progress_every=0,
        tenant=session.tenant,
    )
    # The service's defaults, not what this process's environment says of a service. A route is a session's to
    # name, as it needs draws that somebody has stored.
    settings = SamplerSettings.model_construct(route="steer")
    job = Job(
        call=call,
        prior=prior,
        session=session,
        reservation=Reservation(SESSION_ID, call.request_id, asked, round_index),
        surrogate=surrogate,
        version=None,
        config=resolve_config(call, session, settings, prior, beta_factor),
        num_particles=config.num_particles,
        catalogue=prior.catalogue,
    )
    return job if surrogate is not None else replace(job, num_particles=cold_particles(job))
