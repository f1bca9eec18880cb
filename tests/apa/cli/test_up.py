"""`apa up` with the real parts, as two terminals use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = [sys.executable, "-c", "from apa.cli.main import main; main()"]


@pytest.mark.slow
def test_a_stack_in_one_terminal_serves_the_other_until_ctrl_c(tmp_path: Path) -> None:
    keep = {key: value for key, value in os.environ.items() if not key.startswith(("APA_", "REDIS_URL"))}
    environment = {**keep, "XDG_STATE_HOME": str(tmp_path / "state"), "TMPDIR": str(tmp_path)}

    def apa(*arguments: str) -> Any:
        done = subprocess.run(
            [*PROGRAM, *arguments, "--json"], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    with (tmp_path / "log").open("w") as log:
        stack = subprocess.Popen(
            [*PROGRAM, "up", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            process_group=0,
        )
    assert stack.stdout is not None
    for line in stack.stdout:
        if line == "}\n":
            break
    session = apa("session", "create", "fashion", "--budget", "4", "--per-round", "4")["session_id"]
    slate = apa("sample", session, "--png", str(tmp_path / "grid.png"))["slate"]
    answers = [f"{item['particle_id']}={place}" for place, item in enumerate(slate["items"])]
    apa("feedback", session, *answers, "--wait")
    assert apa("session", "show", session)["surrogate"]["trained_events"] == 4
    assert (tmp_path / "grid.png").stat().st_size > 500
    os.killpg(stack.pid, signal.SIGINT)
    stack.communicate(timeout=60)
    assert stack.returncode == 0
    assert (tmp_path / "log").read_text().endswith("stopped\n")
    assert {path.name for path in tmp_path.iterdir()} == {"state", "log", "grid.png"}
    assert list((tmp_path / "state" / "apa").iterdir()) == []
