"""A service of the stack in small: python -m tests.apa.local.stand_in NAME [BEHAVIOUR].

Behaviours: `serve` (when left out), `refuse` to start, `late` (never ready), `stubborn` (ignores SIGTERM).
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time

from pydantic_settings import SettingsConfigDict

from apa.config import ServerSettings, load_or_exit
from apa.rpc.ready import Ready, announce


def settings_of(name: str) -> ServerSettings:
    prefix = f"APA_{name.upper()}_"

    class StandInSettings(ServerSettings):
        model_config = SettingsConfigDict(env_prefix=prefix)

    return load_or_exit(StandInSettings)


def serve_grpc(name: str, settings: ServerSettings) -> None:
    from apa.rpc.server import serve
    from tests.apa.fake_services import Fakes

    asyncio.run(serve(name, Fakes().register, settings))


def serve_http(name: str, settings: ServerSettings) -> None:
    from prometheus_client import CollectorRegistry

    from apa.rpc.metrics_http import MetricsServer

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    server = MetricsServer(settings.host, settings.metrics_port, CollectorRegistry(), lambda: True)
    announce(Ready(name, 0, server.port), settings.ready_file)
    stop.wait()
    server.close()


def main(name: str, behaviour: str = "serve") -> None:
    settings = settings_of(name)
    print(f"{name} has {settings.redis_url}", flush=True)  # noqa: T201
    if behaviour == "refuse":
        raise SystemExit("no prior of this name")
    if behaviour == "late":
        time.sleep(600)
    serve_http(name, settings) if name == "trainer" else serve_grpc(name, settings)
    print(f"{name} ended in order", flush=True)  # noqa: T201
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
