"""The embedded stack with a real Redis and small stand-ins for the services."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apa.client import Client
from apa.errors import ApaError, DeadlineExceeded, FailedPrecondition, Unavailable
from apa.local import LocalStack
from apa.local.redis_server import free_port
from apa.rpc.probe import http_serves
from tests.waiting import wait_until

SERVICES = ("feedback", "sampler", "trainer")


def stand_ins(*names: str, **behaviours: str) -> dict[str, list[str]]:
    """Commands of the named services, or of all; each takes a second of processor time to start."""
    command = [sys.executable, "-m", "tests.apa.local.stand_in"]
    return {name: [*command, name, behaviours.get(name, "serve")] for name in names or SERVICES}


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(autouse=True)
def _no_redis_of_someone_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary folders are made during the test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    tempfile.tempdir = None


def test_every_part_is_ready_on_entering_and_gone_on_leaving(temporary: Path, lines: list[str]) -> None:
    with LocalStack(commands=stand_ins(), log=lines.append) as stack:
        pids = stack.pids
        assert set(pids) == {"redis", *SERVICES}
        assert all(is_alive(pid) for pid in pids.values())
        with Client(stack.sampler, stack.feedback) as apa:
            session = apa.create_session("toy", 8)
            assert [prior.card.name for prior in apa.list_priors()] == ["toy"]
            assert apa.get_session(session.session_id).remaining == 8
        assert set(stack.metrics) == set(SERVICES)
        assert all(http_serves(url, 5) for url in stack.metrics.values())
        assert any(line == f"sampler  | sampler has {stack.redis_url}" for line in lines)
        assert len(list(temporary.iterdir())) == 1
    assert not any(is_alive(pid) for pid in pids.values())
    assert list(temporary.iterdir()) == []
    assert {f"{name:<8} | {name} ended in order" for name in SERVICES} <= set(lines)


def test_a_folder_of_ones_own_is_kept_with_its_data(tmp_path: Path) -> None:
    with LocalStack(tmp_path / "kept", commands=stand_ins("trainer")):
        pass
    assert (tmp_path / "kept" / "redis" / "appendonlydir").is_dir()


def test_a_folder_serves_one_stack_at_a_time(tmp_path: Path) -> None:
    with (
        LocalStack(tmp_path / "kept", commands=stand_ins("trainer")),
        pytest.raises(FailedPrecondition),
        LocalStack(tmp_path / "kept", commands=stand_ins("trainer")),
    ):
        pass


def test_a_taken_port_is_reported_before_anything_starts(temporary: Path, lines: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = LocalStack(commands=stand_ins("sampler"), sampler_port=port, log=lines.append)
        with pytest.raises(Unavailable) as caught, stack:
            pass
    assert caught.value.field == "sampler_port"
    assert lines == []


def test_a_taken_metrics_port_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("APA_TRAINER_METRICS_PORT", str(taken.getsockname()[1]))
        with pytest.raises(Unavailable) as caught, LocalStack(commands=stand_ins("trainer")):
            pass
    assert caught.value.field == "APA_TRAINER_METRICS_PORT"


def test_a_metrics_port_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("APA_TRAINER_METRICS_PORT", str(port))
    with LocalStack(commands=stand_ins("trainer")) as stack:
        assert stack.metrics == {"trainer": f"http://127.0.0.1:{port}/metrics"}


@pytest.mark.parametrize("name", ["sampler", "redis"])
def test_a_killed_part_comes_back_at_the_same_address(name: str, lines: list[str]) -> None:
    with LocalStack(commands=stand_ins("sampler"), log=lines.append) as stack:
        before, address = stack.pids, stack.sampler
        os.kill(before[name], signal.SIGKILL)
        wait_until(lambda: stack.pids[name] != before[name], 20, "a new process")
        with Client(address, address, retry_for_s=20) as apa:
            apa.list_priors()
        assert stack.sampler == address
        assert any(f"{name} was killed by signal 9" in line for line in lines)
        others = {one: pid for one, pid in before.items() if one != name}
        assert others.items() <= stack.pids.items()


def test_a_part_that_cannot_start_is_reported_with_its_last_lines(temporary: Path) -> None:
    with pytest.raises(Unavailable) as caught, LocalStack(commands=stand_ins("trainer", trainer="refuse")):
        pass
    assert caught.value.field == "trainer"
    assert "no prior of this name" in str(caught.value)
    assert list(temporary.iterdir()) == []


def test_a_program_that_is_not_there_is_reported(temporary: Path) -> None:
    with pytest.raises(Unavailable), LocalStack(commands={"trainer": [str(temporary / "nothing")]}):
        pass


def test_a_part_that_is_never_ready_is_a_deadline() -> None:
    stack = LocalStack(commands=stand_ins("trainer", trainer="late"), start_timeout_s=1, grace_s=1)
    with pytest.raises(DeadlineExceeded) as caught, stack:
        pass
    assert caught.value.field == "trainer"


def test_a_part_that_keeps_crashing_is_given_up(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr("apa.local.supervisor.RESTART_DELAYS_S", (0.0,))
    with LocalStack(commands=stand_ins("trainer"), log=lines.append) as stack:
        first = stack.pids["trainer"]
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: stack.pids["trainer"] != first, 20, "a new process")
        os.kill(stack.pids["trainer"], signal.SIGKILL)
        with pytest.raises(ApaError, match="trainer was killed by signal 9"):
            stack.wait(20)
        assert not any(is_alive(pid) for pid in stack.pids.values())


def test_a_part_that_does_not_end_is_killed_after_the_grace() -> None:
    with LocalStack(commands=stand_ins("trainer", trainer="stubborn"), grace_s=0.5) as stack:
        pids = stack.pids
    assert not any(is_alive(pid) for pid in pids.values())


def test_a_redis_of_ones_own_is_used_and_left_running(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalStack(commands=stand_ins("trainer")) as first:
        monkeypatch.setenv("REDIS_URL", first.redis_url)
        with LocalStack(commands=stand_ins("trainer")) as second:
            assert second.redis_url == first.redis_url
            assert "redis" not in second.pids
        assert is_alive(first.pids["redis"])


OWNER = """
import json, sys
from apa.local import LocalStack
from apa.local.redis_server import free_port
from tests.apa.local.test_stack import stand_ins
with LocalStack(commands=stand_ins("trainer"), log=lambda line: print(line, file=sys.stderr)) as stack:
    print(json.dumps(stack.pids), flush=True)
    stack.wait()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, -2)]
)
def test_nothing_is_left_when_the_owner_is_ended(number: int, code: int, tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert owner.stdout is not None
    pids = [int(pid) for pid in re.findall(r": (\d+)", owner.stdout.readline())]
    assert len(pids) == 2
    # A terminal's Ctrl-C goes to the whole group of the owner.
    os.killpg(owner.pid, number)
    _, log = owner.communicate(timeout=20)
    assert owner.returncode == code
    assert "starts again" not in log
    assert ("trainer ended in order" in log) == (number != signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 10, "the end of every part")
    wait_until(lambda: not list(tmp_path.iterdir()), 10, "the end of the temporary folder")


def test_ctrl_c_while_it_starts_ends_what_has_started(tmp_path: Path) -> None:
    code = OWNER.replace('stand_ins("trainer")', 'stand_ins("trainer", "sampler", trainer="late")')
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: list(tmp_path.glob("apa-*/sampler.ready.json")), 30, "a part that is ready")
    started = time.monotonic()
    owner.send_signal(signal.SIGINT)
    owner.wait(30)
    assert time.monotonic() - started < 20
    wait_until(lambda: not list(tmp_path.iterdir()), 10, "the end of the temporary folder")
