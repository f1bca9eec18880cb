"""Pools in the background: the same draws in every process, of one version of a prior each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from apa.errors import Internal
from apa.priors import NetworkPrior
from apa.records.sampling import SamplingConfig
from sampler_service.background import Background
from sampler_service.routes import draw_pool
from sampler_service.scheduler import Limits
from sampler_service.service_loop import EngineThread
from sampler_service.showing_on_device import OnDevice
from sampler_service.stored_files import in_half_precision
from sampler_service.stored_pools import CHUNK, Stored, StoredPools
from tests.trainer_worker.world import write_prior
from tests.waiting import wait_until

CONFIG = SamplingConfig(num_steps=3, integrator="ancestral", t_start=0.8)


@pytest.fixture
def engine() -> Iterator[EngineThread]:
    thread = EngineThread(Limits(max_particles=CHUNK))
    thread.start()
    yield thread
    thread.stop()


@pytest.fixture
def prior(tmp_path: Path) -> NetworkPrior:
    return write_prior(tmp_path / "toy")


def pools(engine: EngineThread, size: int, *served: NetworkPrior) -> StoredPools:
    return StoredPools(
        OnDevice(engine), size, CONFIG, lambda: {prior.content_hash: prior for prior in served}
    )


def drawn(pools: StoredPools, prior: NetworkPrior) -> Stored:
    wait_until(lambda: pools.get(prior) is not None, 60, "the pool")
    stored = pools.get(prior)
    assert stored is not None
    return stored


def test_a_pool_begins_when_it_is_asked_for_and_has_the_same_draws_whatever_its_size(
    engine: EngineThread, prior: NetworkPrior
) -> None:
    assert engine.num_running == 0
    assert pools(engine, 64, prior).get(prior) is None, "nobody waits for it"
    small, large = (drawn(pools(engine, size, prior), prior) for size in (64, CHUNK + 10))

    assert (len(small.draws), len(large.draws)) == (64, CHUNK + 10)
    assert torch.equal(small.draws.x, large.draws.x[:64])
    assert small.names[3] == large.names[3]
    first = draw_pool(prior, CHUNK, CONFIG, generation=0)
    torch.testing.assert_close(large.draws.x[:CHUNK], first.x, rtol=1e-3, atol=1e-3)
    assert len(torch.unique(large.draws.x, dim=0)) == CHUNK + 10


def test_another_version_of_a_prior_has_a_pool_of_its_own_and_the_old_one_goes(
    engine: EngineThread, prior: NetworkPrior, tmp_path: Path
) -> None:
    newer = write_prior(tmp_path / "newer", seed=1)
    served = [prior]
    kept = StoredPools(OnDevice(engine), 64, CONFIG, lambda: {one.card.name: one for one in served})
    old = drawn(kept, prior)
    served[:] = [newer]
    new = drawn(kept, newer)

    assert new.draws.prior_hash == newer.content_hash != old.draws.prior_hash
    assert new.names[0] != old.names[0]
    assert kept.get(prior) is None, "it is begun anew"


def test_nothing_more_is_drawn_once_it_is_closed(engine: EngineThread, prior: NetworkPrior) -> None:
    kept = pools(engine, 65536, prior)
    kept.get(prior)
    wait_until(lambda: engine.num_running == 1, 60, "the first run")

    kept.close()

    wait_until(lambda: engine.num_running + engine.num_waiting == 0, 60, "the end of the run")
    assert kept.get(prior) is None


def test_features_are_computed_once_for_a_level(engine: EngineThread, prior: NetworkPrior) -> None:
    kept = pools(engine, 64, prior)
    stored = drawn(kept, prior)
    wait_until(lambda: kept.features(stored, prior, 6.0) is not None, 60, "the features")

    features = kept.features(stored, prior, 6.0)
    assert features is not None
    assert features is kept.features(stored, prior, 6.0)
    looked_at = OnDevice(engine).features(prior, 6.0, stored.draws.x)
    torch.testing.assert_close(features, in_half_precision(looked_at))


def test_what_could_not_be_made_is_tried_again_when_somebody_asks() -> None:
    tries = iter([Internal("no"), ValueError("no")])
    ended = threading.Semaphore(0)

    def make() -> str:
        ended.release()
        for error in tries:
            raise error
        return "made"

    value = Background(make, "a value")
    wait_until(lambda: value.get() == "made", 30, "the third try")
    assert sum(ended.acquire(blocking=False) for _ in range(9)) == 3
