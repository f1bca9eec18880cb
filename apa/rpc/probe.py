"""The health check of an image: exit code 0 when the part serves, 1 when it does not.

python -m apa.rpc.probe HOST:PORT | http://HOST:PORT/healthz
"""

from __future__ import annotations

import sys
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def grpc_serves(address: str, timeout_s: float) -> bool:
    """Whether a gRPC server answers its health check with SERVING."""
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def http_serves(url: str, timeout_s: float) -> bool:
    """Whether a URL answers with 200."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def main(argv: list[str], timeout_s: float = 4.0) -> int:
    if len(argv) != 1:
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    serves = http_serves if argv[0].startswith("http://") else grpc_serves
    return 0 if serves(argv[0], timeout_s) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
