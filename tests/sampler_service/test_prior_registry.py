"""Priors by name: damaged ones apart, and newer versions of a folder beside the old."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from apa.errors import DataLoss, NotFound
from sampler_service.prior_registry import PriorRegistry
from tests.trainer_worker.world import write_prior
from tests.waiting import wait_until


@pytest.fixture
def registry(tmp_path: Path) -> PriorRegistry:
    write_prior(tmp_path / "toy")
    return PriorRegistry(lambda: {path.name: path for path in tmp_path.iterdir() if path.is_dir()})


def _look_twice(registry: PriorRegistry) -> None:
    registry.refresh()
    registry.refresh()


def test_a_folder_that_appears_is_served(registry: PriorRegistry, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        registry.get("second")
    write_prior(tmp_path / "second", seed=1)

    _look_twice(registry)

    assert registry.get("second").card.name == "second"
    assert set(registry.all()) == {"toy", "second"}


def test_a_new_version_replaces_the_old_which_stays_usable(registry: PriorRegistry, tmp_path: Path) -> None:
    old = registry.get("toy")
    new = write_prior(tmp_path / "toy", seed=1)

    registry.refresh()
    assert registry.get("toy") is old, "it might still be being written"
    registry.refresh()

    assert registry.get("toy").content_hash == new.content_hash != old.content_hash


def test_a_version_that_was_moved_into_place_is_seen(registry: PriorRegistry, tmp_path: Path) -> None:
    elsewhere = tmp_path.with_name(tmp_path.name + "-new")
    new = write_prior(elsewhere, seed=2)
    shutil.move(tmp_path / "toy", tmp_path.with_name(tmp_path.name + "-old"))
    _look_twice(registry)
    assert registry.get("toy"), "a folder that goes away is served on"
    os.rename(elsewhere, tmp_path / "toy")

    _look_twice(registry)

    assert registry.get("toy").content_hash == new.content_hash


def test_what_has_not_changed_is_not_loaded_again(registry: PriorRegistry) -> None:
    old = registry.get("toy")
    for _ in range(3):
        registry.refresh()
    assert registry.get("toy") is old


def test_a_damaged_version_does_not_replace_a_good_one(registry: PriorRegistry, tmp_path: Path) -> None:
    old = registry.get("toy")
    weights = tmp_path / "toy" / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-7])
    _look_twice(registry)
    assert registry.get("toy") is old

    weights.write_bytes(whole)
    _look_twice(registry)
    assert registry.get("toy") is not old


def test_a_damaged_folder_is_served_once_it_is_mended(registry: PriorRegistry, tmp_path: Path) -> None:
    write_prior(tmp_path / "second")
    weights = tmp_path / "second" / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-7])
    _look_twice(registry)
    with pytest.raises(DataLoss):
        registry.get("second")

    weights.write_bytes(whole)
    _look_twice(registry)

    assert registry.get("second")


def test_it_looks_by_itself_until_it_is_closed(registry: PriorRegistry, tmp_path: Path) -> None:
    registry.watch(every_s=0.01)
    new = write_prior(tmp_path / "toy", seed=1)
    wait_until(lambda: registry.get("toy").content_hash == new.content_hash)
    registry.close()
