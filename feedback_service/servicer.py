"""FeedbackService: sessions and answers. Thin: rules are in `ingest`, what is stored in `apa.store`."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import grpc

from apa.metrics import FeedbackMetrics
from apa.pb import feedback_pb2, feedback_pb2_grpc
from apa.prior_folders import list_priors, read_card
from apa.records.erased import Erased
from apa.records.feedback import Feedback
from apa.records.session import Session, SessionConfig
from apa.records.shown import SessionView
from apa.wire.erased import erased_to_pb
from apa.wire.history import history_to_pb
from apa.wire.sessions import config_from_pb, session_to_pb, surrogate_to_pb
from feedback_service import batch, ingest
from feedback_service.hints import Hints
from feedback_service.ingest import Limits
from feedback_service.stores import Stores

DEFAULT_PAGE_SIZE = 100
DEFAULT_TENANT: str = Session.model_fields["tenant"].default

_R = TypeVar("_R")

logger = logging.getLogger(__name__)


class FeedbackServicer(feedback_pb2_grpc.FeedbackServiceServicer):
    """Answers every call from the store; nothing is kept here between calls.

    Args:
        threads: runs what blocks; its size bounds the calls to the store under way.
        prior_folders: directories of prior folders, beside the shipped ones.
    """

    def __init__(
        self,
        stores: Stores,
        hints: Hints,
        metrics: FeedbackMetrics,
        limits: Limits,
        threads: ThreadPoolExecutor,
        prior_folders: Sequence[Path] = (),
    ) -> None:
        self._stores = stores
        self._hints = hints
        self._metrics = metrics
        self._limits = limits
        self._threads = threads
        self._prior_folders = prior_folders

    def register(self, server: grpc.aio.Server) -> list[str]:
        feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        return [feedback_pb2.DESCRIPTOR.services_by_name["FeedbackService"].full_name]

    async def CreateSession(
        self, request: feedback_pb2.CreateSessionRequest, context: Any
    ) -> feedback_pb2.CreateSessionResponse:
        config = config_from_pb(request.config)
        ingest.check_limits(config, self._limits)
        session_id = request.session_id or uuid.uuid4().hex
        session = ingest.new_session(session_id, request.tenant, request.user_id, config, time.time())
        view = await self._in_thread(self._create, session)
        return feedback_pb2.CreateSessionResponse(session=session_to_pb(view))

    async def GetSession(
        self, request: feedback_pb2.GetSessionRequest, context: Any
    ) -> feedback_pb2.GetSessionResponse:
        view = await self._in_thread(self._view, request.session_id)
        return feedback_pb2.GetSessionResponse(session=session_to_pb(view))

    async def ListSessions(
        self, request: feedback_pb2.ListSessionsRequest, context: Any
    ) -> feedback_pb2.ListSessionsResponse:
        views, next_token = await self._in_thread(self._page, request)
        return feedback_pb2.ListSessionsResponse(
            sessions=[session_to_pb(view) for view in views], next_page_token=next_token
        )

    async def ListSurrogates(
        self, request: feedback_pb2.ListSurrogatesRequest, context: Any
    ) -> feedback_pb2.ListSurrogatesResponse:
        # Read first: a session without surrogates has none, an unknown one is an error.
        await self._in_thread(self._stores.sessions.get, request.session_id)
        versions = await self._in_thread(self._stores.surrogates.versions, request.session_id)
        return feedback_pb2.ListSurrogatesResponse(surrogates=[surrogate_to_pb(one) for one in versions])

    async def RollbackSurrogate(
        self, request: feedback_pb2.RollbackSurrogateRequest, context: Any
    ) -> feedback_pb2.RollbackSurrogateResponse:
        await self._in_thread(self._stores.surrogates.pin, request.session_id, request.version)
        view = await self._in_thread(self._view, request.session_id)
        return feedback_pb2.RollbackSurrogateResponse(session=session_to_pb(view))

    async def ReleaseSurrogate(
        self, request: feedback_pb2.ReleaseSurrogateRequest, context: Any
    ) -> feedback_pb2.ReleaseSurrogateResponse:
        await self._in_thread(self._stores.surrogates.release, request.session_id)
        view = await self._in_thread(self._view, request.session_id)
        return feedback_pb2.ReleaseSurrogateResponse(session=session_to_pb(view))

    async def CloseSession(
        self, request: feedback_pb2.CloseSessionRequest, context: Any
    ) -> feedback_pb2.CloseSessionResponse:
        await self._in_thread(self._stores.sessions.close, request.session_id)
        view = await self._in_thread(self._view, request.session_id)
        return feedback_pb2.CloseSessionResponse(session=session_to_pb(view))

    async def ExportSession(
        self, request: feedback_pb2.ExportSessionRequest, context: Any
    ) -> AsyncGenerator[feedback_pb2.ExportSessionResponse, None]:
        records = self._stores.history.records(request.session_id)
        # One at a time, so that no more of a session is in memory than its reader has taken.
        while (record := await self._in_thread(next, records, None)) is not None:
            yield history_to_pb(record)

    async def DeleteUser(
        self, request: feedback_pb2.DeleteUserRequest, context: Any
    ) -> feedback_pb2.DeleteUserResponse:
        erased = await self._in_thread(self._erase, request.tenant or DEFAULT_TENANT, request.user_id)
        return erased_to_pb(erased)

    async def RecordFeedback(
        self, request: feedback_pb2.RecordFeedbackRequest, context: Any
    ) -> feedback_pb2.RecordFeedbackResponse:
        ingest.check_batch(len(request.events), self._limits)
        given = batch.read(request.events)
        readable = [one for one in given if isinstance(one, Feedback)]
        recorded = await self._in_thread(self._stores.ledger.record_many, readable)
        outcomes = batch.outcomes(given, recorded)
        for event, outcome in zip(request.events, outcomes, strict=True):
            self._metrics.feedback.labels(batch.kind(event), batch.label(outcome)).inc()
        self._hints.send(batch.newly_accepted(given, outcomes))
        return feedback_pb2.RecordFeedbackResponse(results=batch.results(request.events, outcomes))

    def _create(self, session: Session) -> SessionView:
        self._check_prior(session.config)
        stored = self._stores.sessions.create(session)
        if stored.config.cohort:
            self._hints.send([stored.session_id])
        return self._stores.view(stored)

    def _check_prior(self, config: SessionConfig) -> None:
        priors = list_priors(self._prior_folders)
        ingest.check_known(config, priors)
        ingest.check_prior(config, read_card(priors[config.prior]))

    def _erase(self, tenant: str, user_id: str) -> Erased:
        erased = self._stores.erasure.user(tenant, user_id)
        if erased and not self._stores.erasure.rewrite_log():
            logger.warning("a user was deleted, and Redis does not rewrite its append-only file now")
        return erased

    def _view(self, session_id: str) -> SessionView:
        return self._stores.view(self._stores.sessions.get(session_id))

    def _page(self, request: feedback_pb2.ListSessionsRequest) -> tuple[list[SessionView], str]:
        sessions, next_token = self._stores.sessions.page(
            request.tenant, request.user_id, request.page_size or DEFAULT_PAGE_SIZE, request.page_token
        )
        return self._stores.views.of(sessions), next_token

    async def _in_thread(self, call: Callable[..., _R], *args: Any) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)
