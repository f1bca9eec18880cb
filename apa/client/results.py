"""Reads responses: events in order, a whole run as one result, refused answers as errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from apa.errors import DataLoss, DeadlineExceeded, FailedPrecondition, Internal
from apa.pb import sampler_pb2
from apa.records.run_events import Finished, ParticleChunk, RunEvent, Started
from apa.records.shown import SessionView, ShownSlate
from apa.wire.feedback import FeedbackResult
from apa.wire.run_events import event_from_pb


@dataclass(frozen=True)
class Particles:
    """The population of a run.

    Attributes:
        x: (N, *data_shape).
        log_weights: (N,), unnormalised.
    """

    x: NDArray[np.float32]
    log_weights: NDArray[np.float64]


@dataclass(frozen=True)
class SampleResult:
    """A whole run.

    Attributes:
        shown: the slate; None for a run of a prior without a session.
        particles: the population; None unless it was asked for.
        finished: how the run went.
    """

    started: Started
    shown: ShownSlate | None
    particles: Particles | None
    finished: Finished

    @property
    def slate(self) -> ShownSlate:
        """The slate. Raises FailedPrecondition when the run had no session to show one to."""
        if self.shown is None:
            raise FailedPrecondition("the run has no slate", field="session_id", expected="a session")
        return self.shown


class EventReader:
    """Reads the responses of one stream, which count 0, 1, 2, ... without gaps."""

    def __init__(self) -> None:
        self._next = 0

    def read(self, response: sampler_pb2.SampleResponse) -> RunEvent:
        """Raises DataLoss when a response is missing or out of order."""
        if response.sequence != self._next:
            raise DataLoss(
                "the stream has a gap",
                field="sequence",
                expected=str(self._next),
                found=str(response.sequence),
            )
        self._next += 1
        return event_from_pb(response)


def collect(events: Iterable[RunEvent]) -> SampleResult:
    """All events of a run as one result. Raises DataLoss when the stream was cut short."""
    started, shown, finished = None, None, None
    chunks: list[ParticleChunk] = []
    for event in events:
        match event:
            case Started():
                started = event
            case ShownSlate():
                shown = event
            case ParticleChunk():
                chunks.append(event)
            case Finished():
                finished = event
    if started is None or finished is None:
        raise DataLoss("the stream is not whole", expected="Started first and Finished last")
    return SampleResult(started, shown, _joined(chunks) if chunks else None, finished)


def raise_refused(results: Sequence[FeedbackResult]) -> None:
    """Raises the error of the first answer that was refused."""
    for result in results:
        if result.error is not None:
            raise result.error


def raise_failed(view: SessionView) -> None:
    """Raises when the last refit failed on every answer that there is: waiting alone changes nothing.

    Raises:
        Internal: by a bug of the trainer.
        FailedPrecondition: by anything else.
    """
    failure = view.refit_failure
    if failure is None or failure.num_events < view.ledger.num_events:
        return
    kind = Internal if failure.error == Internal.__name__ else FailedPrecondition
    when = datetime.fromtimestamp(int(failure.failed_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    raise kind(
        f"the refit failed: {failure.message}",
        field="surrogate",
        expected=f"trained on {view.ledger.num_events} answers",
        found=f"{failure.error} on {failure.num_events} answers at {when}",
    )


def refit_late(view: SessionView, timeout_s: float) -> DeadlineExceeded:
    trained = view.surrogate.trained_events if view.surrogate is not None else 0
    failure = view.refit_failure
    before = "" if failure is None else f"; the last one, on {failure.num_events}, failed: {failure.message}"
    return DeadlineExceeded(
        f"no refit within {timeout_s:g} s{before}",
        field="surrogate",
        expected=f"trained on {view.ledger.num_events} answers",
        found=f"trained on {trained}",
    )


def _joined(chunks: Sequence[ParticleChunk]) -> Particles:
    rows = 0
    for chunk in chunks:
        if chunk.offset != rows:
            raise DataLoss("particles are missing", expected=f"row {rows}", found=f"row {chunk.offset}")
        rows += len(chunk.x)
    if not chunks[-1].last:
        raise DataLoss("particles are missing", expected="a last chunk")
    x = np.concatenate([chunk.x for chunk in chunks])
    return Particles(x, np.concatenate([chunk.log_weights for chunk in chunks]))
