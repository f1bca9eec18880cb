"""The events of a run to and from protobuf."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from apa.errors import Internal, InvalidArgument
from apa.pb import sampler_pb2
from apa.records.run_events import Certificate, Finished, ParticleChunk, Preview, Progress, RunEvent, Started
from apa.records.shown import ShownSlate
from apa.wire.sampling import options_from_pb, options_to_pb
from apa.wire.slates import slate_from_pb, slate_to_pb
from apa.wire.tensors import AROUND_A_CHUNK_BYTES, tensor_from_pb, tensor_to_pb

ROW_BYTES = 5
"""At most, of one row number in a message."""


def most_previewed(data_shape: Sequence[int], max_message_bytes: int) -> int:
    """How many estimates (*data_shape) one Progress can carry within the channel's limit; may be none."""
    particle_bytes = math.prod(data_shape) * 4 + 8 + ROW_BYTES
    return max(0, max_message_bytes - AROUND_A_CHUNK_BYTES) // particle_bytes


def event_to_pb(event: RunEvent, sequence: int) -> sampler_pb2.SampleResponse:
    """One response of the stream; `sequence` counts 0, 1, 2, ... without gaps."""
    match event:
        case Started():
            return sampler_pb2.SampleResponse(sequence=sequence, started=_started_to_pb(event))
        case Progress():
            return sampler_pb2.SampleResponse(sequence=sequence, progress=_progress_to_pb(event))
        case ParticleChunk():
            return sampler_pb2.SampleResponse(sequence=sequence, chunk=_chunk_to_pb(event))
        case ShownSlate():
            return sampler_pb2.SampleResponse(sequence=sequence, slate=slate_to_pb(event))
        case Finished():
            return sampler_pb2.SampleResponse(sequence=sequence, finished=_finished_to_pb(event))


def event_from_pb(response: sampler_pb2.SampleResponse) -> RunEvent:
    """The event of a response.

    Raises:
        Internal: it carries none that this release knows.
        InvalidArgument: a tensor in it is not valid.
    """
    match response.WhichOneof("event"):
        case "started":
            return _started_from_pb(response.started)
        case "progress":
            return _progress_from_pb(response.progress)
        case "chunk":
            return _chunk_from_pb(response.chunk)
        case "slate":
            return slate_from_pb(response.slate)
        case "finished":
            return _finished_from_pb(response.finished)
        case _:
            raise Internal("the stream carries an event that this client does not know", field="event")


def _started_to_pb(event: Started) -> sampler_pb2.Started:
    return sampler_pb2.Started(
        run_id=event.run_id,
        request_id=event.request_id,
        prior=event.prior,
        surrogate_version=event.surrogate_version,
        sampling=options_to_pb(event.sampling),
        num_particles=event.num_particles,
        replayed=event.replayed,
        route=event.route,
        route_reason=event.route_reason,
        prepared=event.prepared,
    )


def _started_from_pb(event: sampler_pb2.Started) -> Started:
    return Started(
        run_id=event.run_id,
        request_id=event.request_id,
        prior=event.prior,
        surrogate_version=event.surrogate_version,
        sampling=options_from_pb(event.sampling),
        num_particles=event.num_particles,
        replayed=event.replayed,
        route=event.route,
        route_reason=event.route_reason,
        prepared=event.prepared,
    )


def _progress_to_pb(event: Progress) -> sampler_pb2.Progress:
    return sampler_pb2.Progress(
        step=event.step,
        num_steps=event.num_steps,
        ess=event.ess,
        log_z=event.log_z,
        num_resamplings=event.num_resamplings,
        preview=None if event.preview is None else _preview_to_pb(event.preview),
    )


def _progress_from_pb(event: sampler_pb2.Progress) -> Progress:
    return Progress(
        step=event.step,
        num_steps=event.num_steps,
        ess=event.ess,
        log_z=event.log_z if event.HasField("log_z") else None,
        num_resamplings=event.num_resamplings,
        preview=_preview_from_pb(event.preview) if event.HasField("preview") else None,
    )


def _preview_to_pb(preview: Preview) -> sampler_pb2.Preview:
    return sampler_pb2.Preview(
        rows=preview.rows,
        x_0_hat=tensor_to_pb(preview.x_0_hat),
        log_weights=tensor_to_pb(preview.log_weights),
    )


def _preview_from_pb(preview: sampler_pb2.Preview) -> Preview:
    field = "progress.preview"
    x_0_hat = tensor_from_pb(preview.x_0_hat, field=f"{field}.x_0_hat", dtype=np.float32)
    shape = x_0_hat.shape[:1] or (None,)
    weights = tensor_from_pb(preview.log_weights, field=f"{field}.log_weights", dtype=np.float64, shape=shape)
    if len(preview.rows) != len(weights):
        raise InvalidArgument(
            "the preview is not whole",
            field=f"{field}.rows",
            expected=str(len(weights)),
            found=str(len(preview.rows)),
        )
    return Preview(rows=tuple(preview.rows), x_0_hat=x_0_hat, log_weights=weights)


def _chunk_to_pb(chunk: ParticleChunk) -> sampler_pb2.ParticleChunk:
    return sampler_pb2.ParticleChunk(
        offset=chunk.offset,
        x=tensor_to_pb(chunk.x),
        log_weights=tensor_to_pb(chunk.log_weights),
        last=chunk.last,
    )


def _chunk_from_pb(chunk: sampler_pb2.ParticleChunk) -> ParticleChunk:
    x = tensor_from_pb(chunk.x, field="chunk.x", dtype=np.float32)
    shape = x.shape[:1] or (None,)
    weights = tensor_from_pb(chunk.log_weights, field="chunk.log_weights", dtype=np.float64, shape=shape)
    return ParticleChunk(offset=chunk.offset, x=x, log_weights=weights, last=chunk.last)


def _finished_to_pb(event: Finished) -> sampler_pb2.Finished:
    return sampler_pb2.Finished(
        log_z=event.log_z,
        kl_to_prior=event.kl_to_prior,
        ess_history=event.ess_history,
        num_resamplings=event.num_resamplings,
        unique_ancestors=event.unique_ancestors,
        clip_events=event.clip_events,
        queue_seconds=event.queue_seconds,
        run_seconds=event.run_seconds,
        denoiser_evaluations=event.denoiser_evaluations,
        certificate=None if event.certificate is None else _certificate_to_pb(event.certificate),
    )


def _finished_from_pb(event: sampler_pb2.Finished) -> Finished:
    return Finished(
        log_z=event.log_z if event.HasField("log_z") else None,
        kl_to_prior=event.kl_to_prior if event.HasField("kl_to_prior") else None,
        ess_history=tuple(event.ess_history),
        num_resamplings=event.num_resamplings,
        unique_ancestors=event.unique_ancestors,
        clip_events=event.clip_events,
        queue_seconds=event.queue_seconds,
        run_seconds=event.run_seconds,
        denoiser_evaluations=event.denoiser_evaluations,
        certificate=_certificate_from_pb(event.certificate) if event.HasField("certificate") else None,
    )


def _certificate_to_pb(certificate: Certificate) -> sampler_pb2.Certificate:
    return sampler_pb2.Certificate(
        log_z=certificate.log_z,
        log_z_lower=certificate.log_z_lower,
        log_z_upper=certificate.log_z_upper,
        kl_to_prior=certificate.kl_to_prior,
        effective_ancestors=certificate.effective_ancestors,
        adequate=certificate.adequate,
    )


def _certificate_from_pb(certificate: sampler_pb2.Certificate) -> Certificate:
    return Certificate(
        log_z=certificate.log_z,
        log_z_lower=certificate.log_z_lower,
        log_z_upper=certificate.log_z_upper if certificate.HasField("log_z_upper") else None,
        kl_to_prior=certificate.kl_to_prior,
        effective_ancestors=certificate.effective_ancestors,
        adequate=certificate.adequate,
    )
