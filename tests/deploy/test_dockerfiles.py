"""The images' recipes: linted, and pinned to what the project says. They are not built here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, ROOT, from_environment, output_of

DOCKERFILES = sorted((DEPLOY / "docker").glob("*.Dockerfile"))


def instructions(dockerfile: Path) -> list[str]:
    """Logical lines, continuations joined and comments left out."""
    text = "\n".join(line for line in dockerfile.read_text().splitlines() if not line.startswith("#"))
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def test_there_is_one_for_each_service() -> None:
    assert [path.stem for path in DOCKERFILES] == ["feedback", "sampler", "trainer"]


def test_hadolint_has_nothing_to_say() -> None:
    code, text = output_of(from_environment("hadolint"), *DOCKERFILES)
    assert (code, text) == (0, "")


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_the_image_has_only_its_extra_at_pinned_versions(dockerfile: Path) -> None:
    installs = [line for line in instructions(dockerfile) if "pip install" in line]
    assert installs[-1] == f"RUN pip install -c constraints.txt '.[{dockerfile.stem}]'"
    assert all("-c constraints.txt" in line for line in installs)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_the_last_stage_runs_as_nobody_and_says_whether_it_is_healthy(dockerfile: Path) -> None:
    lines = instructions(dockerfile)
    last = lines[max(index for index, line in enumerate(lines) if line.startswith("FROM")) :]
    assert next(line for line in lines if line.startswith("FROM")).endswith("AS build")
    assert any(re.fullmatch(r"USER \d{4,}", line) for line in last)
    assert any(line.startswith("HEALTHCHECK") and "apa.rpc.probe" in line for line in last)
    assert last[-1].startswith("ENTRYPOINT")


def test_the_default_torch_is_the_one_of_the_makefile() -> None:
    makefile = re.search(r"^TORCH \?= (\S+)$", (ROOT / "Makefile").read_text(), flags=re.M)
    assert makefile is not None
    for name in ("sampler", "trainer"):
        assert f"ARG TORCH={makefile[1]}" in instructions(DEPLOY / "docker" / f"{name}.Dockerfile")
    assert "torch" not in " ".join(instructions(DEPLOY / "docker" / "feedback.Dockerfile")).lower()


def test_what_the_wheel_is_built_from_is_sent_to_the_builder() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    pyproject = (ROOT / "pyproject.toml").read_text()
    packages = re.search(r"^include = \[(.+)\]$", pyproject, flags=re.M)
    assert packages is not None
    wanted = {name.strip(' "*') for name in packages[1].split(",")}
    assert wanted | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"} == sent
