"""Tools that the tests of `deploy/` run: absent ones skip a test locally, and fail it in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def installed(name: str, package: str) -> str:
    """Path of a program from PATH."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"{name} is not on PATH; Debian's package {package} has it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def from_environment(name: str) -> str:
    """Path of a program that `make install` put beside Python."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def output_of(*command: str | Path) -> tuple[int, str]:
    """Exit code, and stdout and stderr together."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout
