"""Samplers by name: what a process registers, what packages bring, and which names none may have."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from apa.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from sampler_service.population import Population
from sampler_service.routes import Target, handed_back, register, sampler_at, sampler_named
from sampler_service.routes.registered import names

MODULE = """
def sampler(target, num_particles, generator):
    raise NotImplementedError

number = 3
"""


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampler_service.routes.registered._registered", {})


def theirs(target: Target, num_particles: int, generator: torch.Generator) -> Population:
    return handed_back(torch.zeros(num_particles, *target.prior.data_shape))


def others(target: Target, num_particles: int, generator: torch.Generator) -> Population:
    return handed_back(torch.ones(num_particles, *target.prior.data_shape))


def test_what_is_registered_is_found_by_its_name() -> None:
    register("theirs", theirs)
    register("theirs", theirs)

    assert sampler_named("theirs") is theirs
    assert names() == ["theirs"]


def test_a_name_is_nobody_elses() -> None:
    register("theirs", theirs)

    with pytest.raises(AlreadyExists, match="theirs"):
        register("theirs", others)

    assert sampler_named("theirs") is theirs


@pytest.mark.parametrize(
    "name", ["rank", "pool_start", "steer", "auto", "", "Mine", "my-own", "1st", "a" * 65]
)
def test_names_that_no_sampler_may_have(name: str) -> None:
    for call in (lambda: register(name, theirs), lambda: sampler_named(name)):
        with pytest.raises(InvalidArgument) as caught:
            call()
        assert caught.value.field == "sampler"
        assert caught.value.found == name


def test_only_what_can_be_called_is_registered() -> None:
    with pytest.raises(InvalidArgument, match="cannot be called"):
        register("theirs", 3)  # type: ignore[arg-type]


def test_an_unknown_name_says_which_there_are() -> None:
    register("theirs", theirs)

    with pytest.raises(NotFound) as caught:
        sampler_named("nobodys")

    assert (caught.value.expected, caught.value.found) == ("theirs", "nobodys")


def test_an_installed_package_brings_its_sampler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, monkeypatch, "a_package", "installed = a_package:sampler")

    found = sampler_named("installed")

    assert found.__module__ == "a_package"
    assert names() == ["installed"]
    register("installed", theirs)
    assert sampler_named("installed") is theirs


def test_a_name_that_two_packages_bring_is_ambiguous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("b_package", "c_package"):
        _install(tmp_path, monkeypatch, package, f"twice = {package}:sampler")

    with pytest.raises(FailedPrecondition, match="b_package:sampler, c_package:sampler"):
        sampler_named("twice")


def test_a_package_whose_sampler_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, "d_package", "gone = d_package:gone\nnumber = d_package:number")

    with pytest.raises(FailedPrecondition, match="d_package:gone: AttributeError"):
        sampler_named("gone")
    with pytest.raises(InvalidArgument, match="cannot be called"):
        sampler_named("number")


def test_a_place_is_imported_and_a_name_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register("theirs", theirs)
    _install(tmp_path, monkeypatch, "e_package", "")

    assert sampler_at("theirs") is theirs
    assert sampler_at("e_package:sampler").__module__ == "e_package"
    with pytest.raises(FailedPrecondition, match="no_such_package"):
        sampler_at("no_such_package:sampler")


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, entry_points: str) -> None:
    """As pip leaves it: a module, and beside it what the distribution says of itself."""
    (folder / f"{package}.py").write_text(MODULE)
    told = folder / f"{package}-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(f"[apa.samplers]\n{entry_points}\n")
    monkeypatch.syspath_prepend(folder)
