"""Bytes that are not the method's message, as an `InvalidArgument` that the servicer's side raises.

gRPC reads a call's one request before it calls anything of ours and answers a failure with UNKNOWN. So a
request that cannot be read travels on as the error that it is, until an interceptor can raise it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from apa.errors import InvalidArgument


class Reading:
    """A deserializer that names what it could not read.

    Args:
        streaming: whether requests are a stream: the servicer reads those, and the error is raised there.
    """

    def __init__(self, deserialize: Callable[[bytes], Any], *, streaming: bool) -> None:
        self._deserialize = deserialize
        self._streaming = streaming

    def __call__(self, raw: bytes) -> Any:
        try:
            return self._deserialize(raw)
        except DecodeError:
            unreadable = _unreadable(raw, self._deserialize)
        if self._streaming:
            raise unreadable
        return unreadable


def readable(request: Any) -> Any:
    """The request. Raises InvalidArgument in place of one that could not be read."""
    if isinstance(request, InvalidArgument):
        raise request
    return request


def _unreadable(raw: bytes, deserialize: Callable[[bytes], Any]) -> InvalidArgument:
    # Generated code reads by a class method of the message.
    descriptor = getattr(getattr(deserialize, "__self__", None), "DESCRIPTOR", None)
    return InvalidArgument(
        "the request cannot be read",
        field="request",
        expected=f"a {descriptor.full_name}" if descriptor is not None else "the method's message",
        found=f"{len(raw)} bytes that do not parse",
    )
