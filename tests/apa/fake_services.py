"""Stand-ins of both services behind the real scaffolding, on a thread of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
from prometheus_client import CollectorRegistry

from apa.config import ServerSettings
from apa.errors import FailedPrecondition, NotFound
from apa.pb import feedback_pb2, feedback_pb2_grpc, sampler_pb2, sampler_pb2_grpc
from apa.records.feedback import Acknowledgement
from apa.records.prior_card import PriorCard
from apa.records.run_events import Certificate, Finished, Preview, Progress, RunEvent, Started
from apa.records.session import Ledger, RefitFailure, Session, SurrogateVersion
from apa.records.shown import CatalogueItem, SessionView, ShownItem, ShownSlate
from apa.rpc.server import start
from apa.wire.feedback import FeedbackResult, feedback_from_pb, result_to_pb
from apa.wire.prior_cards import LoadedPrior, prior_to_pb
from apa.wire.run_events import event_to_pb
from apa.wire.sampling import options_from_pb
from apa.wire.sessions import config_from_pb, session_to_pb, surrogate_to_pb
from apa.wire.tensors import chunks

DIMS = 3


class Fakes:
    """Both services, over sessions in memory. `before(method)` runs first in every call and may raise."""

    def __init__(self) -> None:
        self.sessions: dict[str, SessionView] = {}
        self.seen: list[Any] = []
        self.answers: dict[str, feedback_pb2.FeedbackEvent] = {}
        self.before: Callable[[str], None] = lambda method: None
        self.fits = True
        self.failure: RefitFailure | None = None
        self.closed = threading.Event()

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        add: Any = sampler_pb2_grpc.add_SamplerServiceServicer_to_server
        add(Sampler(self), server)
        add = feedback_pb2_grpc.add_FeedbackServiceServicer_to_server
        add(Feedbacks(self), server)
        return ["apa.v1.SamplerService", "apa.v1.FeedbackService"]

    def arrived(self, request: Any) -> None:
        self.seen.append(request)
        self.before(type(request).__name__.removesuffix("Request"))

    def find(self, session_id: str) -> SessionView:
        if session_id not in self.sessions:
            raise NotFound("no such session", field="session_id", found=session_id)
        return self.sessions[session_id]


class Feedbacks(feedback_pb2_grpc.FeedbackServiceServicer):
    def __init__(self, fakes: Fakes) -> None:
        self.fakes = fakes

    async def CreateSession(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.fakes.arrived(request)
        session = Session(
            session_id=request.session_id,
            user_id=request.user_id or "anonymous",
            config=config_from_pb(request.config),
            created_at=time.time(),
        )
        view = self.fakes.sessions.setdefault(session.session_id, SessionView(session))
        return feedback_pb2.CreateSessionResponse(session=session_to_pb(view))

    async def GetSession(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.fakes.arrived(request)
        return feedback_pb2.GetSessionResponse(session=session_to_pb(self.fakes.find(request.session_id)))

    async def ListSessions(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.fakes.arrived(request)
        first = int(request.page_token or 0)
        views = list(self.fakes.sessions.values())
        page = views[first : first + 2]
        token = str(first + 2) if first + 2 < len(views) else ""
        return feedback_pb2.ListSessionsResponse(
            sessions=[session_to_pb(view) for view in page], next_page_token=token
        )

    async def RecordFeedback(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.fakes.arrived(request)
        return feedback_pb2.RecordFeedbackResponse(results=[self._result(event) for event in request.events])

    def _result(self, event: feedback_pb2.FeedbackEvent) -> feedback_pb2.FeedbackResult:
        feedback = feedback_from_pb(event)
        view = self.fakes.find(feedback.session_id)
        duplicate = feedback.feedback_id in self.fakes.answers
        if not duplicate and not view.remaining:
            error = FailedPrecondition("the budget is spent", field="budget", found=str(view.spent))
            return result_to_pb(FeedbackResult(feedback.feedback_id, error=error))
        self.fakes.answers[feedback.feedback_id] = event
        num = view.spent + (not duplicate)
        surrogate = SurrogateVersion(version="v", family="linear", trained_events=num, published_at=1e9)
        self.fakes.sessions[feedback.session_id] = view = SessionView(
            view.session,
            Ledger(spent=num, num_events=num),
            surrogate if self.fakes.fits else None,
            self.fakes.failure,
        )
        accepted = Acknowledgement(
            feedback_id=feedback.feedback_id,
            sequence=num,
            duplicate=duplicate,
            spent=num,
            remaining=view.remaining,
        )
        return result_to_pb(FeedbackResult(feedback.feedback_id, accepted))

    async def ListSurrogates(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.fakes.arrived(request)
        surrogate = self.fakes.find(request.session_id).surrogate
        versions = [surrogate_to_pb(surrogate)] if surrogate else []
        return feedback_pb2.ListSurrogatesResponse(surrogates=versions)


class Sampler(sampler_pb2_grpc.SamplerServiceServicer):
    def __init__(self, fakes: Fakes) -> None:
        self.fakes = fakes

    async def ListPriors(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.fakes.arrived(request)
        card = PriorCard(name="toy", kind="vector", data_shape=(DIMS,), decoder="catalogue", feature_dim=0)
        return sampler_pb2.ListPriorsResponse(priors=[prior_to_pb(LoadedPrior(card, "hash"))])

    async def Score(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.fakes.arrived(request)
        self.fakes.find(request.session_id)
        mean = [float(item_id.strip("Q")) for item_id in request.item_ids]
        return sampler_pb2.ScoreResponse(
            predicted_mean=mean, predicted_std=[0.25] * len(mean), surrogate_version="v1"
        )

    async def UpsertItems(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.fakes.arrived(request)
        return sampler_pb2.UpsertItemsResponse(revision=len(self.fakes.seen), changed=len(request.items) - 1)

    async def DeleteItems(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.fakes.arrived(request)
        return sampler_pb2.DeleteItemsResponse(revision=len(self.fakes.seen), changed=len(request.item_ids))

    async def Sample(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.fakes.arrived(request)
        try:
            for sequence, event in enumerate(self._events(request)):
                yield event_to_pb(event, sequence)
                await asyncio.sleep(0)
        finally:
            self.fakes.closed.set()

    def _events(self, request: Any) -> Iterator[RunEvent]:
        view = self.fakes.find(request.session_id) if request.session_id else None
        num = request.num_particles or (view.config.num_particles if view else 5)
        sampling = options_from_pb(request.sampling)
        x = np.arange(num * DIMS, dtype=np.float32).reshape(num, DIMS)
        yield Started(
            "run", request.request_id, request.prior or "toy", "", sampling, num, False, "steer", "as asked"
        )
        every = request.progress_every
        for step in range(0, sampling.num_steps or 100, every) if every else ():
            preview = _preview(x[: request.preview_particles]) if request.preview_particles else None
            yield Progress(step, 100, float(num), None, 0, preview)
        if request.include_particles:
            yield from chunks(x, np.zeros(num))
        if view is not None:
            yield _slate(view, x)
        certificate = None if view is None else Certificate(3.1, 2.9, None, 4.2, 5.5, adequate=True)
        yield Finished(0.5, None, (float(num),), 1, num, 0, 0.1, 0.2, 60, certificate)


def _preview(x: Any) -> Preview:
    return Preview(tuple(range(len(x))), x, np.zeros(len(x)))


def _slate(view: SessionView, x: Any) -> ShownSlate:
    items = tuple(
        ShownItem(f"{view.session_id}.{view.spent}.{row}", row, x[row], "top", 0.5, decoded=_film(row))
        for row in range(view.config.particles_per_round)
    )
    return ShownSlate("slate", view.session_id, items, 0, len(items), "", 2e9)


def _film(row: int) -> CatalogueItem:
    return CatalogueItem(f"Q{row}", f"Film {row}", {"year": f"{1990 + row}"})


@contextmanager
def serving(fakes: Fakes, **settings: Any) -> Iterator[str]:
    """Both services on one address, until the end of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    options = {"grace_s": 0.1, **settings}
    running = run(start("fakes", fakes.register, ServerSettings(**options), registry=CollectorRegistry()))
    try:
        yield f"127.0.0.1:{running.ready.port}"
    finally:
        run(running.drain())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
