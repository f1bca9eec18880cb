"""SamplerService over gRPC. Thin: reads the request, streams a run's events in order, or answers once."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

import grpc
import numpy as np
from pydantic import ValidationError

from apa.errors import (
    AlreadyExists,
    Cancelled,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from apa.pb import sampler_pb2, sampler_pb2_grpc
from apa.priors.base import Prior
from apa.wire.catalogue import entries_from_pb
from apa.wire.prior_cards import LoadedPrior, prior_to_pb
from apa.wire.run_events import event_to_pb
from apa.wire.sampling import options_from_pb
from apa.wire.scores import scores_to_pb
from apa.wire.tensors import tensor_from_pb
from sampler_service.calls import SampleCall
from sampler_service.masks import masks_of
from sampler_service.measuring import Measuring
from sampler_service.prior_registry import PriorRegistry
from sampler_service.sampling_stream import SamplingStream
from sampler_service.scoring import ScoreCall, Scoring
from sampler_service.stock import Stock

T = TypeVar("T")


class SamplerServicer(sampler_pb2_grpc.SamplerServiceServicer):
    """Answers every method of the contract.

    Args:
        executor: a bounded pool for what blocks.
    """

    def __init__(
        self,
        stream: SamplingStream,
        scoring: Scoring,
        stock: Stock,
        priors: PriorRegistry,
        measuring: Measuring,
        executor: Executor,
    ) -> None:
        self._stream = stream
        self._scoring = scoring
        self._stock = stock
        self._executor = executor
        self._priors = priors
        self._measuring = measuring

    def register(self, server: grpc.aio.Server) -> list[str]:
        sampler_pb2_grpc.add_SamplerServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        return [sampler_pb2.DESCRIPTOR.services_by_name["SamplerService"].full_name]

    async def Sample(
        self, request: sampler_pb2.SampleRequest, context: Any
    ) -> AsyncIterator[sampler_pb2.SampleResponse]:
        reason = "cancelled"
        try:
            events = self._stream.events(_call(request), _deadline_s(context))
            sequence = 0
            async with aclosing(events) as running:
                async for event in running:
                    yield event_to_pb(event, sequence)
                    sequence += 1
            reason = "finished"
        except (GeneratorExit, asyncio.CancelledError):
            raise
        except Exception as error:
            reason = _reason(error)
            raise
        finally:
            self._measuring.stream_ended(reason)

    async def ListPriors(
        self, request: sampler_pb2.ListPriorsRequest, context: Any
    ) -> sampler_pb2.ListPriorsResponse:
        loaded = [self._loaded(name, prior) for name, prior in self._priors.all().items()]
        return sampler_pb2.ListPriorsResponse(priors=[prior_to_pb(one) for one in loaded])

    def _loaded(self, name: str, prior: Prior) -> LoadedPrior:
        num_items = self._stock.catalogues.num_items(name, prior)
        return LoadedPrior(prior.card.model_copy(update={"num_items": num_items}), prior.content_hash)

    async def Score(self, request: sampler_pb2.ScoreRequest, context: Any) -> sampler_pb2.ScoreResponse:
        x = tensor_from_pb(request.x, field="x", dtype=np.float32) if request.HasField("x") else None
        call = ScoreCall(request.session_id, tuple(request.item_ids), x)
        return scores_to_pb(await self._blocking(self._scoring.scores, call))

    async def UpsertItems(
        self, request: sampler_pb2.UpsertItemsRequest, context: Any
    ) -> sampler_pb2.UpsertItemsResponse:
        read = partial(entries_from_pb, request)
        change = await self._blocking(self._stock.upsert, request.prior, read)
        return sampler_pb2.UpsertItemsResponse(revision=change.revision, changed=change.changed)

    async def DeleteItems(
        self, request: sampler_pb2.DeleteItemsRequest, context: Any
    ) -> sampler_pb2.DeleteItemsResponse:
        change = await self._blocking(self._stock.delete, request.prior, tuple(request.item_ids))
        return sampler_pb2.DeleteItemsResponse(revision=change.revision, changed=change.changed)

    async def _blocking(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *args)


def _call(request: sampler_pb2.SampleRequest) -> SampleCall:
    """Raises InvalidArgument for options out of range, and masks that are too long."""
    return SampleCall(
        request_id=request.request_id or uuid.uuid4().hex,
        session_id=request.session_id,
        prior=request.prior,
        num_particles=request.num_particles,
        sampling=options_from_pb(request.sampling),
        include_particles=request.include_particles,
        progress_every=request.progress_every,
        tenant=request.tenant or "default",
        preview_particles=request.preview_particles,
        masks=masks_of(request.exclude_item_ids, request.only_item_ids),
    )


def _deadline_s(context: Any) -> float | None:
    """The call's deadline on our monotonic clock."""
    left_s = context.time_remaining()
    return None if left_s is None else time.monotonic() + left_s


def _reason(error: Exception) -> str:
    """Why a stream ended, so that a caller's mistakes do not look like our failures."""
    match error:
        case DeadlineExceeded():
            return "deadline"
        case Cancelled():
            return "cancelled"
        # The interceptor answers a ValidationError with INVALID_ARGUMENT.
        case InvalidArgument() | ValidationError() | NotFound() | AlreadyExists() | FailedPrecondition():
            return "refused"
        case ResourceExhausted() | Unavailable():
            return "busy"
        case _:
            return "error"
