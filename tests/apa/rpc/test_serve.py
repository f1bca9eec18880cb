"""A server as a process: its ready line, its signals, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from apa.client import Client
from apa.rpc.ready import read_ready

COMMAND = [sys.executable, "-m", "tests.apa.local.stand_in", "sampler"]


def process(**settings: object) -> subprocess.Popen[str]:
    environment = {f"APA_SAMPLER_{key.upper()}": str(value) for key, value in settings.items()}
    return subprocess.Popen(
        COMMAND, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_in_order_on_a_signal(number: int, tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    server = process(ready_file=file)
    assert server.stdout is not None
    server.stdout.readline()
    line = server.stdout.readline()
    ready = read_ready(file)
    assert ready is not None
    assert line == f"ready sampler port={ready.port} metrics_port={ready.metrics_port}\n"
    address = f"127.0.0.1:{ready.port}"
    with Client(address, address) as apa:
        apa.list_priors()
    server.send_signal(number)
    out, _ = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "ended in order" in out


def test_a_taken_port_ends_it_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    first = process(ready_file=file)
    assert first.stdout is not None
    first.stdout.readline()
    first.stdout.readline()
    ready = read_ready(file)
    assert ready is not None
    second = process(port=ready.port)
    _, err = second.communicate(timeout=20)
    assert second.returncode == 1
    assert err.splitlines()[-1].startswith("sampler: cannot listen; field: port")
    assert "Traceback" not in err
    first.terminate()
    first.communicate(timeout=20)


def test_a_wrong_setting_ends_it_before_it_starts() -> None:
    server = process(max_message_byte=1)
    _, err = server.communicate(timeout=20)
    assert server.returncode == 2
    assert err.startswith("configuration: unknown setting APA_SAMPLER_MAX_MESSAGE_BYTE")
