"""What a run's caller is told of it, as records."""

from __future__ import annotations

import math

from apa.records.run_events import Certificate, Finished, Preview, Started
from apa.records.sampling import SamplingOverrides
from sampler_service import service_loop
from sampler_service.calls import Job
from sampler_service.population import Population
from sampler_service.preview import Preview as EnginePreview
from sampler_service.routes.certificate import certify
from sampler_service.routes.choosing import RouteChoice
from sampler_service.routing import Routed


def started_of(run_id: str, job: Job, choice: RouteChoice, *, prepared: bool = False) -> Started:
    """What the options resolved to, and the route that is taken."""
    given = job.config.model_dump(include=set(SamplingOverrides.model_fields))
    return Started(
        run_id=run_id,
        request_id=job.call.request_id,
        prior=job.prior.card.name,
        surrogate_version=job.surrogate_version,
        sampling=SamplingOverrides.model_validate(given),
        num_particles=job.num_particles,
        route=choice.name,
        route_reason=choice.reason,
        prepared=prepared,
    )


def preview_of(preview: EnginePreview) -> Preview:
    """Of a preview that is on the host."""
    return Preview(
        rows=tuple(preview.rows.tolist()),
        x_0_hat=preview.x_0_hat.numpy(),
        log_weights=preview.log_weights.numpy(),
    )


def certificate_of(job: Job, population: Population, routed: Routed) -> Certificate | None:
    """Of a session's run, whose population is on the host; None where nothing steered it.

    A slate that is chosen among all items of a catalogue is adequate, whatever the particles are.
    """
    if job.surrogate is None:
        return None
    found = certify(population, job.num_shown, routed.outlook)
    if found is None:
        return None
    return Certificate(
        log_z=found.log_z,
        log_z_lower=found.lower,
        log_z_upper=None if math.isinf(found.upper) else found.upper,
        kl_to_prior=found.kl_to_prior,
        effective_ancestors=found.ancestors,
        adequate=found.adequate or routed.looks_at_all,
    )


def finished_of(
    finished: service_loop.Finished, evaluations_before: int = 0, certificate: Certificate | None = None
) -> Finished:
    """How the run went.

    Args:
        evaluations_before: particles that the denoiser was asked about to find the run's route.
    """
    population = finished.population
    return Finished(
        log_z=population.log_z,
        kl_to_prior=population.kl_to_prior,
        ess_history=population.ess_history,
        num_resamplings=population.num_resamplings,
        unique_ancestors=population.unique_ancestors,
        clip_events=population.clip_events,
        queue_seconds=finished.queue_s,
        run_seconds=finished.run_s,
        denoiser_evaluations=evaluations_before + population.denoiser_evaluations,
        certificate=certificate,
    )
