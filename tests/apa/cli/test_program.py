"""`apa` as a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMMANDS = [
    "",
    "up",
    "sample",
    "feedback",
    "prior",
    "prior list",
    "prior show",
    "session",
    "session create",
    "session show",
    "session list",
]


def apa(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from apa.cli.main import main; main()", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "100"}
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = apa(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: {' '.join(['-c', *command.split()])}" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["demo", "prior fit"])
def test_a_command_that_needs_torch_explains_itself_in_its_own_words(command: str) -> None:
    done = apa(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: python -m" in done.stdout
    assert "--seed" in done.stdout


def test_the_command_starts_without_torch_and_without_the_servers_packages() -> None:
    code = """
import sys
import apa.cli.main
others = ("torch", "redis", "celery", "prometheus_client", "pydantic_settings")
print([name for name in others if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
