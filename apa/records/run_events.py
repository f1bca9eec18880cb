"""What a run says while it goes: Started, Progress, ParticleChunk, the slate, Finished."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apa.records.sampling import SamplingOverrides
from apa.records.shown import ShownSlate


@dataclass(frozen=True)
class Started:
    """The first event.

    Attributes:
        surrogate_version: what steers the run; "" for the unsteered prior.
        sampling: what the options resolved to, the seed included.
        num_particles: N.
        replayed: the slate was stored by an earlier call with this request id; nothing is computed.
        route, route_reason: what was taken, "rank", "pool_start" or "steer", and why; "" where nothing is
            computed, or the server does not say.
        prepared: the run was made ahead of the call, when the surrogate was published.
    """

    run_id: str
    request_id: str
    prior: str
    surrogate_version: str
    sampling: SamplingOverrides
    num_particles: int
    replayed: bool = False
    route: str = ""
    route_reason: str = ""
    prepared: bool = False


@dataclass(frozen=True)
class Preview:
    """Where the particles of the largest weights are heading, the heaviest first.

    Attributes:
        rows: (n,), of the population at this step, before any resampling.
        x_0_hat: (n, *data_shape), what the prior expects each of them to become; latents of a latent prior.
        log_weights: (n,), normalised over all N: exp is each particle's share of the population.
    """

    rows: tuple[int, ...]
    x_0_hat: NDArray[np.float32]
    log_weights: NDArray[np.float64]


@dataclass(frozen=True)
class Progress:
    """How far the run is.

    Attributes:
        ess: effective sample size, 1 to N.
        log_z: estimate of log Z so far; None where the corrector has none.
        preview: None unless it was asked for, and where the reader is too far behind the run.
    """

    step: int
    num_steps: int
    ess: float
    log_z: float | None
    num_resamplings: int
    preview: Preview | None = None


@dataclass(frozen=True)
class ParticleChunk:
    """Some rows of the population.

    Attributes:
        offset: row of the first particle.
        x: (n, *data_shape).
        log_weights: (n,), unnormalised.
        last: no chunk follows.
    """

    offset: int
    x: NDArray[np.float32]
    log_weights: NDArray[np.float64]
    last: bool


@dataclass(frozen=True)
class Certificate:
    """What a steered run says of itself.

    Attributes:
        log_z: log E_q[exp(beta r)], within the interval.
        log_z_lower, log_z_upper: of 95%, 2.5% at each end; the upper is None where nothing bounds it.
        kl_to_prior: KL(p || q), in nats, at least 0.
        effective_ancestors: independent draws that the particles descend from, in effect, 1 to N.
        adequate: whether there are as many as the slate has items, and no part of the target was missed that
            stored draws hold.
    """

    log_z: float
    log_z_lower: float
    log_z_upper: float | None
    kl_to_prior: float
    effective_ancestors: float
    adequate: bool


@dataclass(frozen=True)
class Finished:
    """The last event.

    Attributes:
        log_z: log E_q[exp(beta r)]; None for correctors without one.
        kl_to_prior: in nats; None for correctors without one.
        ess_history: one entry per step.
        clip_events: reward gradients that were clipped.
        queue_seconds, run_seconds: before and after the first step.
        denoiser_evaluations: particles that the denoiser was asked about, each as often as it was.
        certificate: None where nothing steered, for correctors without log Z, and of a replayed slate.
    """

    log_z: float | None
    kl_to_prior: float | None
    ess_history: tuple[float, ...]
    num_resamplings: int
    unique_ancestors: int
    clip_events: int
    queue_seconds: float
    run_seconds: float
    denoiser_evaluations: int = 0
    certificate: Certificate | None = None


RunEvent = Started | Progress | ParticleChunk | ShownSlate | Finished
