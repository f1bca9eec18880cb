"""Unix seconds to and from protobuf's Timestamp."""

from __future__ import annotations

import math

from google.protobuf.timestamp_pb2 import Timestamp


def time_to_pb(unix_s: float) -> Timestamp:
    whole = math.floor(unix_s)
    nanos = round((unix_s - whole) * 1e9)
    # A fraction that rounds up to a whole second is not a valid `nanos`.
    return Timestamp(seconds=whole + nanos // 10**9, nanos=nanos % 10**9)


def time_from_pb(timestamp: Timestamp) -> float:
    return timestamp.seconds + timestamp.nanos / 1e9
