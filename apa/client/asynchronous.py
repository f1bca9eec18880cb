"""The client for asyncio: the methods of `Client`, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from numpy.typing import ArrayLike

from apa.client import requests
from apa.client.answers import Answers, Supersedes
from apa.client.arguments import whole_number
from apa.client.requests import Sampling
from apa.client.results import EventReader, SampleResult, collect, raise_failed, raise_refused, refit_late
from apa.client.retries import Retries, refit_poll_s
from apa.pb import feedback_pb2_grpc, sampler_pb2, sampler_pb2_grpc
from apa.records.catalogue import CatalogueChange, CatalogueEntry
from apa.records.erased import Erased
from apa.records.history import HistoryRecord
from apa.records.run_events import RunEvent
from apa.records.scores import Scores
from apa.records.session import SurrogateVersion
from apa.records.shown import SessionView
from apa.rpc.call_errors import from_rpc_error
from apa.rpc.options import MAX_MESSAGE_BYTES, client_options
from apa.wire.catalogue import change_from_pb
from apa.wire.erased import erased_from_pb
from apa.wire.feedback import FeedbackResult, result_from_pb
from apa.wire.history import history_from_pb
from apa.wire.prior_cards import LoadedPrior, prior_from_pb
from apa.wire.scores import scores_from_pb
from apa.wire.sessions import session_from_pb, surrogate_from_pb

T = TypeVar("T")


class AsyncClient:
    """As `Client`, where each method is documented; make it in a running event loop.

    async with AsyncClient(sampler="127.0.0.1:50051", feedback="127.0.0.1:50052") as apa:
        session = await apa.create_session(prior="fashion", budget=80)
        async for event in apa.sample_stream(session.session_id):
            ...
    """

    def __init__(
        self,
        sampler: str,
        feedback: str,
        *,
        timeout_s: float = 60.0,
        retry_for_s: float = 10.0,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        options = client_options(max_message_bytes)
        self._channels = [grpc.aio.insecure_channel(address, options) for address in (sampler, feedback)]
        self._sampler: Any = sampler_pb2_grpc.SamplerServiceStub(  # type: ignore[no-untyped-call]
            self._channels[0]
        )
        self._feedback: Any = feedback_pb2_grpc.FeedbackServiceStub(  # type: ignore[no-untyped-call]
            self._channels[1]
        )
        self._timeout_s = timeout_s
        self._max_message_bytes = max_message_bytes
        self._retries = Retries(retry_for_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; running calls are cancelled."""
        for channel in self._channels:
            await channel.close()

    async def create_session(
        self,
        prior: str,
        budget: int,
        *,
        user_id: str | None = None,
        tenant: str | None = None,
        particles_per_round: int | None = None,
        num_particles: int | None = None,
        surrogate: str | None = None,
        policy: str | None = None,
        feedback_kind: str | None = None,
        raters: Sequence[str] | None = None,
        aggregation: str | None = None,
        answer_wait_s: float | None = None,
        default_reward: float | None = None,
        refit_on: str | None = None,
        cohort: str | None = None,
        sampling: Sampling = None,
        session_id: str | None = None,
        timeout_s: float | None = None,
    ) -> SessionView:
        """See `Client.create_session`."""
        request = requests.create_session(
            prior,
            budget,
            user_id=user_id,
            tenant=tenant,
            particles_per_round=particles_per_round,
            num_particles=num_particles,
            surrogate=surrogate,
            policy=policy,
            feedback_kind=feedback_kind,
            raters=raters,
            aggregation=aggregation,
            answer_wait_s=answer_wait_s,
            default_reward=default_reward,
            refit_on=refit_on,
            cohort=cohort,
            sampling=sampling,
            session_id=session_id,
        )
        response = await self._call(self._feedback.CreateSession, request, timeout_s)
        return session_from_pb(response.session)

    async def get_session(self, session_id: str, *, timeout_s: float | None = None) -> SessionView:
        """See `Client.get_session`."""
        request = requests.get_session(session_id)
        response = await self._call(self._feedback.GetSession, request, timeout_s)
        return session_from_pb(response.session)

    async def list_sessions(
        self,
        *,
        tenant: str | None = None,
        user_id: str | None = None,
        limit: int = 100,
        timeout_s: float | None = None,
    ) -> list[SessionView]:
        """See `Client.list_sessions`."""
        whole_number(limit, field="limit", least=0)
        found: list[SessionView] = []
        token = ""
        while len(found) < limit:
            request = requests.list_sessions(tenant, user_id, limit - len(found), token)
            page = await self._call(self._feedback.ListSessions, request, timeout_s)
            found += [session_from_pb(session) for session in page.sessions]
            token = page.next_page_token
            if not token:
                break
        return found[:limit]

    async def sample(
        self,
        session_id: str | None = None,
        *,
        prior: str | None = None,
        num_particles: int | None = None,
        sampling: Sampling = None,
        request_id: str | None = None,
        include_particles: bool | None = None,
        exclude_item_ids: Sequence[str] | None = None,
        only_item_ids: Sequence[str] | None = None,
        tenant: str | None = None,
        timeout_s: float | None = None,
    ) -> SampleResult:
        """See `Client.sample`."""
        request = requests.sample(
            session_id,
            prior=prior,
            num_particles=num_particles,
            sampling=sampling,
            request_id=request_id,
            include_particles=include_particles,
            progress_every=0,
            preview_particles=0,
            exclude_item_ids=exclude_item_ids,
            only_item_ids=only_item_ids,
            tenant=tenant,
        )

        async def collected(left_s: float) -> SampleResult:
            return collect([event async for event in self._events(request, left_s)])

        return await self._retried(collected, timeout_s)

    def sample_stream(
        self,
        session_id: str | None = None,
        *,
        prior: str | None = None,
        num_particles: int | None = None,
        sampling: Sampling = None,
        request_id: str | None = None,
        include_particles: bool | None = None,
        progress_every: int = 10,
        preview_particles: int = 0,
        exclude_item_ids: Sequence[str] | None = None,
        only_item_ids: Sequence[str] | None = None,
        tenant: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[RunEvent]:
        """See `Client.sample_stream`."""
        request = requests.sample(
            session_id,
            prior=prior,
            num_particles=num_particles,
            sampling=sampling,
            request_id=request_id,
            include_particles=include_particles,
            progress_every=progress_every,
            preview_particles=preview_particles,
            exclude_item_ids=exclude_item_ids,
            only_item_ids=only_item_ids,
            tenant=tenant,
        )
        return self._stream(request, timeout_s)

    async def record_feedback(
        self,
        session_id: str,
        answers: Answers,
        *,
        rater: str | None = None,
        supersedes: Supersedes = None,
        check: bool = True,
        timeout_s: float | None = None,
    ) -> list[FeedbackResult]:
        """See `Client.record_feedback`."""
        request = requests.record_feedback(session_id, answers, rater, supersedes)
        response = await self._call(self._feedback.RecordFeedback, request, timeout_s)
        results = [result_from_pb(result) for result in response.results]
        if check:
            raise_refused(results)
        return results

    async def wait_for_refit(self, session_id: str, timeout_s: float = 30.0) -> SessionView:
        """See `Client.wait_for_refit`."""
        deadline = time.monotonic() + timeout_s
        for attempt in count():
            view = await self.get_session(session_id)
            if view.is_fitted:
                break
            raise_failed(view)
            if time.monotonic() >= deadline:
                raise refit_late(view, timeout_s)
            await asyncio.sleep(refit_poll_s(attempt))
        return view

    async def list_priors(self, *, timeout_s: float | None = None) -> list[LoadedPrior]:
        """See `Client.list_priors`."""
        response = await self._call(self._sampler.ListPriors, sampler_pb2.ListPriorsRequest(), timeout_s)
        return [prior_from_pb(card) for card in response.priors]

    async def score(
        self,
        session_id: str,
        item_ids: Sequence[str] | None = None,
        *,
        x: ArrayLike | None = None,
        timeout_s: float | None = None,
    ) -> Scores:
        """See `Client.score`."""
        request = requests.score(session_id, item_ids, x)
        return scores_from_pb(await self._call(self._sampler.Score, request, timeout_s))

    async def upsert_items(
        self, prior: str, items: Sequence[CatalogueEntry], *, timeout_s: float | None = None
    ) -> CatalogueChange:
        """See `Client.upsert_items`."""
        change = CatalogueChange(0, 0)
        for request in requests.upsert_items(prior, items, self._max_message_bytes):
            change += change_from_pb(await self._call(self._sampler.UpsertItems, request, timeout_s))
        return change

    async def delete_items(
        self, prior: str, item_ids: Sequence[str], *, timeout_s: float | None = None
    ) -> CatalogueChange:
        """See `Client.delete_items`."""
        change = CatalogueChange(0, 0)
        for request in requests.delete_items(prior, item_ids):
            change += change_from_pb(await self._call(self._sampler.DeleteItems, request, timeout_s))
        return change

    async def list_surrogates(
        self, session_id: str, *, timeout_s: float | None = None
    ) -> list[SurrogateVersion]:
        """See `Client.list_surrogates`."""
        request = requests.list_surrogates(session_id)
        response = await self._call(self._feedback.ListSurrogates, request, timeout_s)
        return [surrogate_from_pb(version) for version in response.surrogates]

    async def rollback_surrogate(
        self, session_id: str, version: str, *, timeout_s: float | None = None
    ) -> SessionView:
        """See `Client.rollback_surrogate`."""
        request = requests.rollback_surrogate(session_id, version)
        response = await self._call(self._feedback.RollbackSurrogate, request, timeout_s)
        return session_from_pb(response.session)

    async def release_surrogate(self, session_id: str, *, timeout_s: float | None = None) -> SessionView:
        """See `Client.release_surrogate`."""
        request = requests.release_surrogate(session_id)
        response = await self._call(self._feedback.ReleaseSurrogate, request, timeout_s)
        return session_from_pb(response.session)

    async def close_session(self, session_id: str, *, timeout_s: float | None = None) -> SessionView:
        """See `Client.close_session`."""
        request = requests.close_session(session_id)
        response = await self._call(self._feedback.CloseSession, request, timeout_s)
        return session_from_pb(response.session)

    def export_session(
        self, session_id: str, *, timeout_s: float | None = None
    ) -> AsyncIterator[HistoryRecord]:
        """See `Client.export_session`."""
        return self._exported(requests.export_session(session_id), timeout_s)

    async def _exported(self, request: Any, timeout_s: float | None) -> AsyncIterator[HistoryRecord]:
        call = self._feedback.ExportSession(
            request, timeout=self._timeout_s if timeout_s is None else timeout_s
        )
        try:
            async for response in call:
                yield history_from_pb(response)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()

    async def delete_user(
        self, user_id: str, *, tenant: str | None = None, timeout_s: float | None = None
    ) -> Erased:
        """See `Client.delete_user`."""
        request = requests.delete_user(user_id, tenant)
        return erased_from_pb(await self._call(self._feedback.DeleteUser, request, timeout_s))

    async def _stream(self, request: Any, timeout_s: float | None) -> AsyncIterator[RunEvent]:
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        try:
            # Closed here: a reader that stops early ends the run now, not when it is collected as garbage.
            async with aclosing(self._events(request, limit_s)) as events:
                async for event in events:
                    yield event
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    async def _events(self, request: Any, timeout_s: float) -> AsyncGenerator[RunEvent, None]:
        reader = EventReader()
        call = self._sampler.Sample(request, timeout=timeout_s)
        try:
            async for response in call:
                yield reader.read(response)
        finally:
            call.cancel()

    async def _call(self, method: Any, request: Any, timeout_s: float | None) -> Any:
        return await self._retried(lambda left_s: method(request, timeout=left_s), timeout_s)

    async def _retried(self, call: Callable[[float], Awaitable[T]], timeout_s: float | None) -> T:
        """`call(seconds left)`, again while a server is away."""
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        started = time.monotonic()
        attempt = 0
        while True:
            try:
                return await call(max(0.0, limit_s - (time.monotonic() - started)))
            except grpc.RpcError as error:
                delay_s = self._retries.delay_s(error, attempt, time.monotonic() - started)
            await asyncio.sleep(delay_s)
            attempt += 1
