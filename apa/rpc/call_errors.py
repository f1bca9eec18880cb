"""What a client's call raised, as one of `apa.errors`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import grpc
from google.rpc import status_pb2

from apa.errors import ApaError, DeadlineExceeded, ResourceExhausted, Unavailable
from apa.rpc.statuses import from_status

DETAILS_KEY = "grpc-status-details-bin"
OWN_CANCELLATIONS = ("Locally cancelled by application!", "Channel closed!")
"""What `grpc` and `grpc.aio` say of a call that its own caller cancelled."""
TOO_LARGE = re.compile(r"message larger than max \((\d+) vs\. (\d+)\)")


def from_rpc_error(error: grpc.RpcError) -> ApaError:
    """The `ApaError` of a failed call, of `grpc` or `grpc.aio`.

    An error that gRPC made itself (no connection, deadline, message size) has no details: its code finds the
    class, and the field says what to look at.
    """
    call: Any = error
    message = call.details() or ""
    rich = _rich_status(call.trailing_metadata() or ())
    return from_status(rich) if rich is not None else _made_by_grpc(call.code(), message)


def _made_by_grpc(code: grpc.StatusCode, message: str) -> ApaError:
    too_large = TOO_LARGE.search(message)
    if too_large is not None:
        size, limit = too_large.groups()
        return ResourceExhausted(
            "a message is over the size limit",
            field="max_message_bytes",
            expected=f"at most {limit} bytes",
            found=f"{size} bytes",
        )
    if code is grpc.StatusCode.CANCELLED and message not in OWN_CANCELLATIONS:
        # The core answers so to calls that meet a server which has just begun to drain, or outlive its grace.
        return Unavailable("the server went away during the call", field="server", found=message)
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unavailable(message, field="server", expected="a server that answers")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(message, field="timeout_s", expected="an answer before the deadline")
    return from_status(status_pb2.Status(code=code.value[0], message=message))


def _rich_status(metadata: Iterable[tuple[str, str | bytes]]) -> status_pb2.Status | None:
    for key, value in metadata:
        if key == DETAILS_KEY and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return None
