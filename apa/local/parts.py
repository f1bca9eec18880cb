"""The parts of the stack as the supervisor sees them: start, is it ready, has it ended, stop."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from apa.config import LOOPBACK
from apa.local.merged_log import MergedLog
from apa.local.parent import dying_with_parent
from apa.local.redis_server import RedisProcess, start_server
from apa.rpc.probe import grpc_serves, http_serves
from apa.rpc.ready import Ready, read_ready

PROBE_TIMEOUT_S = 2.0


class Part(Protocol):
    """Something that runs. `start` may be called again after it has ended."""

    name: str

    def start(self) -> None: ...

    def is_ready(self) -> bool: ...

    def exit_code(self) -> int | None:
        """None while it runs."""

    def stop(self) -> None:
        """Asks it to end, and returns at once."""

    def wait(self, timeout_s: float) -> None:
        """Until it has ended; kills it when it has not in time."""

    def last_lines(self) -> list[str]: ...


class ServicePart:
    """A service as a subprocess. It says where it listens in a file, and keeps its ports when started again.

    Args:
        prefix: of its settings' keys, e.g. APA_SAMPLER_.
        ports: values by the name of their setting (PORT, METRICS_PORT); 0 for what the environment says, or
            else a free one.
        serves: asked with the announced ports whether it answers.
        tidy: as for `MergedLog.follow`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        log: MergedLog,
        *,
        prefix: str,
        environment: Mapping[str, str],
        ports: Mapping[str, int],
        serves: Callable[[Ready], bool],
        tidy: Callable[[str], str | None] = lambda text: text,
    ) -> None:
        self.name = name
        self.ready: Ready | None = None
        self._command = list(command)
        self._ready_file = folder / f"{name}.ready.json"
        self._log = log
        self._prefix = prefix
        self._environment = dict(environment)
        self._ports = dict(ports)
        self._serves = serves
        self._tidy = tidy
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        self._ready_file.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            dying_with_parent(self._command),
            env=self._child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A group of its own: Ctrl-C reaches us alone, and we end the parts in order.
            process_group=0,
        )
        assert self._process.stdout is not None
        self._log.follow(self.name, self._process.stdout, self._tidy)

    def is_ready(self) -> bool:
        ready = read_ready(self._ready_file)
        if ready is None or not self._serves(ready):
            return False
        self.ready = ready
        return True

    def exit_code(self) -> int | None:
        return self._running().poll()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_lines(self) -> list[str]:
        return self._log.last_lines(self.name)

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    def _child_environment(self) -> dict[str, str]:
        # Started again, it takes the ports that its callers know.
        known = {"PORT": self.ready.port, "METRICS_PORT": self.ready.metrics_port} if self.ready else {}
        ports = {key: known.get(key) or port for key, port in self._ports.items()}
        settings = {"READY_FILE": str(self._ready_file), "HOST": LOOPBACK} | {
            key: str(port) for key, port in ports.items() if port
        }
        prefixed = {self._prefix + key: value for key, value in settings.items()}
        return {**os.environ, "PYTHONUNBUFFERED": "1", **self._environment, **prefixed}


class RedisPart:
    """A Redis server of our own. Its data is on disk, so that a crashed one starts again with all of it."""

    name = "redis"

    def __init__(self, folder: Path, port: int, log: MergedLog) -> None:
        self.url = f"redis://{LOOPBACK}:{port}/0"
        self._folder = folder
        self._port = port
        self._log = log
        self._server: RedisProcess | None = None

    @property
    def pid(self) -> int:
        return self._running().process.pid

    def start(self) -> None:
        """Returns once it answers."""
        self._server = start_server(self._folder, self._port)
        self._log.line(self.name, f"ready {self.url}")

    def is_ready(self) -> bool:
        return self._server is not None

    def exit_code(self) -> int | None:
        return self._running().process.poll()

    def stop(self) -> None:
        if self._server is not None and self._server.process.poll() is None:
            self._server.process.terminate()

    def wait(self, timeout_s: float) -> None:
        if self._server is not None:
            self._server.stop(timeout_s)

    def last_lines(self) -> list[str]:
        log = self._folder / "redis.log"
        return log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []

    def _running(self) -> RedisProcess:
        assert self._server is not None, "redis was not started"
        return self._server


def grpc_answers(ready: Ready) -> bool:
    return grpc_serves(f"{LOOPBACK}:{ready.port}", PROBE_TIMEOUT_S)


def http_answers(ready: Ready) -> bool:
    return http_serves(f"http://{LOOPBACK}:{ready.metrics_port}/healthz", PROBE_TIMEOUT_S)
