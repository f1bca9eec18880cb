"""The real parts as processes of their own: a Redis server, workers, the feedback service."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from apa.local.parent import dying_with_parent
from apa.local.redis_server import start_server
from apa.rpc.ready import Ready, read_ready

START_S = 120.0


class Part:
    """`python -m MODULE`, begun; `wait` until it is ready.

    Args:
        settings: its environment, beside this process's without settings of its own.
    """

    def __init__(self, module: str, folder: Path, settings: dict[str, str]) -> None:
        self._ready_file = Path(tempfile.mkdtemp(dir=folder)) / "ready.json"
        prefix = f"APA_{module.split('_')[0].upper()}_"
        own = {"OMP_NUM_THREADS": "1", f"{prefix}READY_FILE": str(self._ready_file)}
        own[f"{prefix}LOG_LEVEL"] = "ERROR"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("APA_")}
        self._process = subprocess.Popen(
            dying_with_parent([sys.executable, "-m", module]),
            env=inherited | own | settings,
            stdout=subprocess.DEVNULL,
        )

    def wait(self) -> Ready:
        """Where it listens, once it does."""
        deadline = time.monotonic() + START_S
        while not self.is_ready and self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        ready = read_ready(self._ready_file)
        assert ready is not None, f"a part did not start: {self._process.poll()}"
        return ready

    @property
    def is_ready(self) -> bool:
        return self._ready_file.exists()

    def kill(self) -> None:
        """SIGKILL: what it was at is left as it is."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def redis_in(folder: Path) -> Iterator[str]:
    """The URL of a server with the durability that operations asks for."""
    server = start_server(folder / "redis")
    try:
        yield server.url
    finally:
        server.stop()


def worker(folder: Path, url: str) -> Part:
    return Part("trainer_worker", folder, {"REDIS_URL": url})


@contextmanager
def running(parts: Sequence[Part]) -> Iterator[list[Ready]]:
    """The parts, once all of them are ready."""
    try:
        yield [part.wait() for part in parts]
    finally:
        for part in parts:
            part.stop()
