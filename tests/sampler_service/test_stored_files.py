"""Stored draws on disk: what was written comes back, and nothing damaged or of another prior is ever used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from apa.errors import DataLoss, FailedPrecondition
from apa.priors import NetworkPrior
from apa.records.sampling import SamplingConfig
from sampler_service.config import SamplerSettings
from sampler_service.drawing import drawn
from sampler_service.prior_registry import PriorRegistry
from sampler_service.routes import StoredPool
from sampler_service.scheduler import Limits
from sampler_service.service_loop import EngineThread
from sampler_service.showing_on_device import OnDevice
from sampler_service.stored_files import FILE, StoredFile, read_stored, write_stored
from sampler_service.stored_pools import CHUNK, Stored, StoredPools
from tests.trainer_worker.world import write_prior
from tests.waiting import wait_until

CONFIG = SamplingConfig(num_steps=3, integrator="ancestral", t_start=0.8)
LEVEL = 6.0


@pytest.fixture
def prior(tmp_path: Path) -> NetworkPrior:
    return write_prior(tmp_path / "priors" / "toy")


@pytest.fixture
def engine() -> Iterator[EngineThread]:
    thread = EngineThread(Limits(max_particles=CHUNK))
    thread.start()
    yield thread
    thread.stop()


def test_what_was_written_is_read_to_half_precision(prior: NetworkPrior, tmp_path: Path) -> None:
    stored = drawn(prior, CONFIG, 100)
    write_stored(tmp_path / FILE, stored)
    found = read_stored(tmp_path / FILE, prior)

    assert found is not None
    assert found.pool_id == stored.pool_id
    torch.testing.assert_close(found.draws.x, stored.draws.x, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.features[LEVEL], stored.features[LEVEL], rtol=2e-3, atol=2e-3)
    assert [path.name for path in tmp_path.glob(f"{FILE}*")] == [FILE]


def test_no_file_is_no_error_and_another_priors_is(prior: NetworkPrior, tmp_path: Path) -> None:
    assert read_stored(tmp_path / FILE, prior) is None
    write_stored(tmp_path / FILE, drawn(prior, CONFIG, 64))
    newer = write_prior(tmp_path / "newer", seed=1)
    with pytest.raises(FailedPrecondition, match="another prior's"):
        read_stored(tmp_path / FILE, newer)


@pytest.mark.parametrize("place", [3, 60, -5])
def test_a_flipped_byte_anywhere_is_found(prior: NetworkPrior, tmp_path: Path, place: int) -> None:
    path = tmp_path / FILE
    write_stored(path, drawn(prior, CONFIG, 64))
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DataLoss):
        read_stored(path, prior)


def test_a_file_cut_short_or_with_rows_missing_is_found(prior: NetworkPrior, tmp_path: Path) -> None:
    path, stored = tmp_path / FILE, drawn(prior, CONFIG, 64)
    write_stored(path, replace(stored, features={LEVEL: stored.features[LEVEL][:-1]}))
    with pytest.raises(DataLoss, match="damaged"):
        read_stored(path, prior)
    write_stored(path, replace(stored, draws=StoredPool(stored.draws.x * torch.inf, prior.content_hash)))
    with pytest.raises(DataLoss, match="finite"):
        read_stored(path, prior)
    write_stored(path, stored)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataLoss):
        read_stored(path, prior)
    save_file(load_file_of(path, stored), path)
    with pytest.raises(DataLoss):
        read_stored(path, prior)


def load_file_of(path: Path, stored: StoredFile) -> dict[str, torch.Tensor]:
    """Its tensors, to be written without what says whose they are."""
    write_stored(path, stored)
    return load_file(path)


def test_draws_in_the_priors_folder_are_there_at_once_and_none_are_drawn(
    engine: EngineThread, prior: NetworkPrior, tmp_path: Path
) -> None:
    folder = tmp_path / "priors" / "toy"
    stored = drawn(prior, CONFIG, 100)
    write_stored(folder / FILE, stored)
    registry = PriorRegistry(lambda: {"toy": folder})
    served = registry.get("toy")
    pools = StoredPools(OnDevice(engine), 64, CONFIG, registry.all, registry.folder_of)

    found = pools.get(served)

    assert found is not None
    assert len(found.draws) == 100
    assert found.names[7] == f"{stored.pool_id}-7"
    assert pools.features(found, served, LEVEL) is not None
    assert engine.num_running + engine.num_waiting == 0


def test_draws_of_an_older_version_in_the_folder_are_never_used(
    engine: EngineThread, prior: NetworkPrior, tmp_path: Path
) -> None:
    folder = tmp_path / "priors" / "toy"
    write_stored(folder / FILE, drawn(prior, CONFIG, 100))
    newer = write_prior(folder, seed=1)
    pools = StoredPools(OnDevice(engine), 64, CONFIG, lambda: {"toy": newer}, lambda _: folder)

    assert pools.get(newer) is None
    found = waited(pools, newer)
    assert found.draws.prior_hash == newer.content_hash
    assert len(found.draws) == 64


def test_what_was_drawn_is_kept_for_the_next_start(
    engine: EngineThread, prior: NetworkPrior, tmp_path: Path
) -> None:
    def begun() -> StoredPools:
        return StoredPools(OnDevice(engine), 64, CONFIG, lambda: {"toy": prior}, keep_in=tmp_path / "kept")

    first = begun()
    stored = waited(first, prior)
    wait_until(lambda: first.features(stored, prior, LEVEL) is not None, 60, "the features")
    wait_until(lambda: begun().get(prior) is not None, 60, "the file")
    again = begun().get(prior)

    assert again is not None
    assert again.names == stored.names
    assert torch.equal(again.draws.x, stored.draws.x), "the same draws as before the restart"
    assert begun().features(again, prior, LEVEL) is not None


def test_a_directory_that_takes_nothing_costs_nothing_but_a_warning(
    engine: EngineThread, prior: NetworkPrior, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    pools = StoredPools(OnDevice(engine), 64, CONFIG, lambda: {"toy": prior}, keep_in=tmp_path / "file")
    assert len(waited(pools, prior).draws) == 64
    assert "could not be kept" in caplog.text


def test_the_command_draws_into_the_folder_what_a_service_would(prior: NetworkPrior, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sampler_service.drawing", "toy", "--in", str(tmp_path / "priors")]
    done = subprocess.run([*command, "--size", "64"], check=True, capture_output=True, text=True)
    assert "64 draws of toy" in done.stdout
    found = read_stored(tmp_path / "priors" / "toy" / FILE, prior)
    assert found is not None
    own = drawn(prior, SamplerSettings.model_construct().sampling(), 64)
    assert found.pool_id == own.pool_id
    torch.testing.assert_close(found.draws.x, own.draws.x, rtol=1e-3, atol=1e-3)


def test_a_prior_that_is_not_there_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sampler_service.drawing", "nobody"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no such prior" in done.stderr


def waited(pools: StoredPools, prior: NetworkPrior) -> Stored:
    wait_until(lambda: pools.get(prior) is not None, 60, "the pool")
    stored = pools.get(prior)
    assert stored is not None
    return stored
