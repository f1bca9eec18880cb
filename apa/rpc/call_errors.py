"""What a client's call raised, as one of `apa.errors`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import grpc
from google.rpc import status_pb2

from apa.errors import ApaError, ResourceExhausted
from apa.rpc.statuses import from_status

DETAILS_KEY = "grpc-status-details-bin"
TOO_LARGE = re.compile(r"message larger than max \((\d+) vs\. (\d+)\)")


def from_rpc_error(error: grpc.RpcError) -> ApaError:
    """The `ApaError` of a failed call, of `grpc` or `grpc.aio`.

    An error that gRPC made itself (no connection, deadline, message size) has no details: its code finds the
    class.
    """
    call: Any = error
    message = call.details() or ""
    too_large = TOO_LARGE.search(message)
    if too_large is not None:
        size, limit = too_large.groups()
        return ResourceExhausted(
            "a message is over the size limit (max_message_bytes)",
            expected=f"at most {limit} bytes",
            found=f"{size} bytes",
        )
    return from_status(
        _rich_status(call.trailing_metadata() or ())
        or status_pb2.Status(code=call.code().value[0], message=message)
    )


def _rich_status(metadata: Iterable[tuple[str, str | bytes]]) -> status_pb2.Status | None:
    for key, value in metadata:
        if key == DETAILS_KEY and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return None
