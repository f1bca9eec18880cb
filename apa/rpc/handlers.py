"""Runs the same code around every call, whatever its kind: what our interceptors are made of."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import grpc

from apa.rpc.reading import Reading, readable

Behaviour = Callable[[Any, Any], Any]


class AroundInterceptor(grpc.aio.ServerInterceptor):
    """An interceptor that is one async context manager around each call."""

    @abstractmethod
    def around(self, method: str, context: Any) -> AbstractAsyncContextManager[None]:
        """Entered before the servicer, left after its last response, its error or its cancellation.

        Args:
            method: "package.Service/Method".
        """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return self._wrapped(handler, handler_call_details.method.lstrip("/"))

    def _wrapped(self, handler: Any, method: str) -> Any:
        kind = f"{_arity(handler.request_streaming)}_{_arity(handler.response_streaming)}"
        behaviour = _awaitable(getattr(handler, kind), method)
        read = handler.request_deserializer
        # The innermost interceptor raises for a request that could not be read: the others see the error.
        check = _unchecked if isinstance(read, Reading) else readable
        if read is not None and not isinstance(read, Reading):
            read = Reading(read, streaming=handler.request_streaming)

        async def call(request: Any, context: Any) -> Any:
            async with self.around(method, context):
                return await behaviour(check(request), context)

        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(call, read, handler.response_serializer)


def _unchecked(request: Any) -> Any:
    return request


def _arity(streaming: bool) -> str:
    return "stream" if streaming else "unary"


def _awaitable(behaviour: Behaviour, method: str) -> Callable[[Any, Any], Awaitable[Any]]:
    """A servicer's method as a coroutine function; a generator of responses is drained into the context.

    grpc.aio would leave a cancelled generator paused at its `yield` to the garbage collector. Drained here,
    the cancellation lands in `write`, and the generator is closed (GeneratorExit) before the call ends.
    """
    if inspect.iscoroutinefunction(behaviour):
        return behaviour
    if not inspect.isasyncgenfunction(behaviour):
        raise TypeError(f"{method} must be a coroutine function or an async generator function")

    async def drain(request: Any, context: Any) -> None:
        responses: AsyncIterator[Any] = behaviour(request, context)
        async with aclosing(responses):  # type: ignore[type-var]
            async for response in responses:
                await context.write(response)

    return drain
