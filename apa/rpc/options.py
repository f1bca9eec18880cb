"""Channel options of both sides: message sizes and keepalive.

Keepalive is set on both sides, or the server answers a client's pings with GOAWAY (too_many_pings).
"""

from __future__ import annotations

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
KEEPALIVE_TIME_MS = 20_000
KEEPALIVE_TIMEOUT_MS = 10_000

Options = list[tuple[str, int]]


def client_options(max_message_bytes: int = MAX_MESSAGE_BYTES) -> Options:
    return _shared(max_message_bytes)


def server_options(max_message_bytes: int = MAX_MESSAGE_BYTES) -> Options:
    return [
        *_shared(max_message_bytes),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_TIME_MS // 2),
        # Two servers on one port would share its calls silently; the second is to fail instead.
        ("grpc.so_reuseport", 0),
    ]


def _shared(max_message_bytes: int) -> Options:
    return [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
