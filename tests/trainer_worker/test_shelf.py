from __future__ import annotations

from pathlib import Path

import pytest

from apa.errors import DataLoss, NotFound
from tests.trainer_worker.world import TrainerWorld, write_prior
from trainer_worker.fit.__main__ import main as fit_transport_main
from trainer_worker.fit.transport import TRANSPORT_FILE
from trainer_worker.shelf import PriorShelf


def _learn_transport(folder: Path) -> None:
    assert fit_transport_main([str(folder), "--samples", "60", "--steps", "3"]) == 0


def test_a_prior_is_loaded_once_and_again_when_its_folder_changes(tmp_path: Path) -> None:
    shelf = PriorShelf([tmp_path])
    write_prior(tmp_path / "toy")
    first = shelf.get("toy").prior
    assert shelf.get("toy").prior is first
    replaced = write_prior(tmp_path / "toy", seed=1)
    assert shelf.get("toy").prior.content_hash == replaced.content_hash != first.content_hash


def test_an_unknown_prior_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        PriorShelf([tmp_path]).get("nowhere")


def test_a_transport_beside_the_prior_is_used(tmp_path: Path) -> None:
    write_prior(tmp_path / "toy")
    assert PriorShelf([tmp_path]).get("toy").transport is None
    _learn_transport(tmp_path / "toy")
    assert PriorShelf([tmp_path]).get("toy").transport is not None


def test_the_transport_of_other_weights_is_passed_over_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_prior(tmp_path / "toy")
    _learn_transport(tmp_path / "toy")
    write_prior(tmp_path / "toy", seed=1)
    assert PriorShelf([tmp_path]).get("toy").transport is None
    assert TRANSPORT_FILE in caplog.text


def test_a_damaged_transport_is_not_passed_over(tmp_path: Path) -> None:
    write_prior(tmp_path / "toy")
    (tmp_path / "toy" / TRANSPORT_FILE).write_bytes(b"nothing")
    with pytest.raises(DataLoss):
        PriorShelf([tmp_path]).get("toy")


def test_a_session_is_refitted_with_the_transport_of_its_prior(world: TrainerWorld) -> None:
    _learn_transport(world.priors / "toy")
    world.session()
    world.answer(count=6)
    world.refit("s1")
    assert world.trained_events() == 6
