"""Features of a catalogue follow its revisions; only what is new is computed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from apa.errors import Unavailable
from apa.priors import Prior
from apa.priors.catalogue import Catalogue, Change, Item
from apa.surrogates.linear import data_end_features
from sampler_service.catalogue_features import CHUNK, CatalogueFeatures
from sampler_service.scheduler import Limits
from sampler_service.service_loop import EngineThread
from sampler_service.showing_on_device import OnDevice
from tests.apa.surrogates.toys import ToyPrior
from tests.waiting import wait_until

LEVEL = 6.0
PRIOR = ToyPrior()


class Watched(OnDevice):
    """Notes of how many items it computes features."""

    asked: list[int]
    away = False

    def features(self, prior: Prior, level: float, x: Tensor) -> Tensor:
        if self.away:
            raise Unavailable("away")
        self.asked.append(len(x))
        return super().features(prior, level, x)


@pytest.fixture
def device() -> Iterator[Watched]:
    thread = EngineThread(Limits())
    thread.start()
    watched = Watched(thread)
    object.__setattr__(watched, "asked", [])
    yield watched
    thread.stop()


def catalogue_of(count: int, seed: int = 0, first: int = 0) -> Change:
    names = [f"i{n}" for n in range(first, first + count)]
    vectors = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    return Change(names, [Item(name, name, {}) for name in names], vectors)


def some(count: int) -> Catalogue:
    return Catalogue([], np.empty((0, 3), np.float32)).changed(catalogue_of(count))


def made(kept: CatalogueFeatures, catalogue: Catalogue) -> Tensor:
    wait_until(lambda: kept.of(PRIOR, LEVEL, catalogue) is not None, 30, "the features")
    features = kept.of(PRIOR, LEVEL, catalogue)
    assert features is not None
    expected = data_end_features(PRIOR, torch.from_numpy(catalogue.vectors), LEVEL)
    torch.testing.assert_close(features, expected)
    return features


def test_they_are_computed_in_the_background_and_kept(device: Watched) -> None:
    kept, catalogue = CatalogueFeatures(device), some(2 * CHUNK + 5)
    assert kept.of(PRIOR, LEVEL, catalogue) is None, "nobody waits for them"

    assert made(kept, catalogue) is made(kept, catalogue)
    assert device.asked == [CHUNK, CHUNK, 5]


def test_little_that_is_new_is_computed_at_once_and_nothing_else(device: Watched) -> None:
    kept, catalogue = CatalogueFeatures(device), some(600)
    made(kept, catalogue)
    device.asked.clear()
    later = catalogue.changed(catalogue_of(10, seed=1)).changed(catalogue_of(20, seed=2, first=600))

    features = kept.of(PRIOR, LEVEL, later)

    assert features is not None
    assert device.asked == [30]
    torch.testing.assert_close(features, data_end_features(PRIOR, torch.from_numpy(later.vectors), LEVEL))


def test_a_change_of_stock_alone_computes_and_copies_nothing(device: Watched) -> None:
    kept, catalogue = CatalogueFeatures(device), some(600)
    before = made(kept, catalogue)
    device.asked.clear()
    assert catalogue.out_of_stock is not None
    sold = Change(["i3"], [Item("i3", "i3", {})], catalogue.vectors[3:4], np.array([False]))

    assert kept.of(PRIOR, LEVEL, catalogue.changed(sold)) is before
    assert device.asked == []


def test_much_that_is_new_is_waited_for_by_nobody(device: Watched) -> None:
    kept, catalogue = CatalogueFeatures(device), some(600)
    made(kept, catalogue)
    later = catalogue.changed(catalogue_of(CHUNK + 1, seed=1, first=600))

    assert kept.of(PRIOR, LEVEL, later) is None
    assert len(made(kept, later)) == 600 + CHUNK + 1


def test_of_a_catalogue_that_is_too_large_none_are_kept(device: Watched) -> None:
    catalogue = some(600)
    kept = CatalogueFeatures(device, max_bytes=600 * 5 * 4 - 1)
    kept.of(PRIOR, LEVEL, catalogue)
    wait_until(lambda: bool(device.asked), 30, "the first look")
    wait_until(lambda: not any("features" in thread.name for thread in threading.enumerate()), 30, "its end")

    assert [kept.of(PRIOR, LEVEL, catalogue) for _ in range(3)] == [None] * 3
    assert device.asked == [CHUNK]


def test_what_could_not_be_computed_is_tried_again(device: Watched) -> None:
    kept, catalogue = CatalogueFeatures(device), some(600)
    object.__setattr__(device, "away", True)
    for _ in range(3):
        assert kept.of(PRIOR, LEVEL, catalogue) is None
    object.__setattr__(device, "away", False)

    made(kept, catalogue)
