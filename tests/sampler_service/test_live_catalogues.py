"""A catalogue that is followed: whatever was written, a follower ends with it, and never half of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import redis

from apa.errors import Unavailable
from apa.priors import load_prior
from apa.priors.base import Prior
from apa.records.catalogue import Entries
from apa.store.catalogues import CatalogueStore
from apa.store.connection import connect
from sampler_service import live_catalogues
from sampler_service.live_catalogues import LiveCatalogues
from tests.sampler_service.shop import NUM_ITEMS, write_shop
from tests.trainer_worker.world import DATA_DIM


@pytest.fixture
def prior(tmp_path: Path) -> Prior:
    write_shop(tmp_path / "shop")
    return load_prior(tmp_path / "shop")


@pytest.fixture
def store(redis_client: redis.Redis) -> CatalogueStore:
    return CatalogueStore(redis_client)


def some(*item_ids: str, value: float = 1.0) -> Entries:
    displays = [f'{{"title":"{name} at {value:g}","attributes":{{}}}}'.encode() for name in item_ids]
    vectors = np.full((len(item_ids), DATA_DIM), value, np.float32)
    return Entries(list(item_ids), displays, vectors, np.ones(len(item_ids), np.bool_))


def titles(live: LiveCatalogues, prior: Prior) -> dict[str, str]:
    catalogue = live.of("shop", prior)
    assert catalogue is not None
    return {name: catalogue.items[place].title for name, place in catalogue.positions.items()}


def test_changes_are_on_top_of_the_folder_and_a_run_keeps_what_it_had(
    store: CatalogueStore, prior: Prior
) -> None:
    live = LiveCatalogues(store, lambda: {"shop": prior})
    begun = live.of("shop", prior)
    store.upsert("shop", some("i3", "new"))
    store.delete("shop", ["i4", "i5"], [True, True])
    live.refresh()
    found = titles(live, prior)
    assert (found["i3"], found["new"]) == ("i3 at 1", "new at 1")
    assert not {"i4", "i5"} & found.keys()
    assert live.num_items("shop", prior) == len(found) == NUM_ITEMS - 1
    assert begun is not None
    assert begun is prior.catalogue
    assert "i4" in begun.positions


def test_who_starts_later_or_follows_in_small_pages_sees_the_same(
    store: CatalogueStore, prior: Prior, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_catalogues, "PAGE", 3)
    early = LiveCatalogues(store, lambda: {"shop": prior})
    for turn in range(6):
        store.upsert("shop", some(*(f"i{n}" for n in range(turn, turn + 7)), value=turn))
        store.delete("shop", [f"i{turn}", "i59"], [True, True])
        if turn % 2:
            early.refresh(rest=0.1)
    early.refresh()
    late = LiveCatalogues(store, lambda: {"shop": prior})
    assert titles(early, prior) == titles(late, prior)
    assert not {f"i{n}" for n in range(6)} & titles(late, prior).keys()


def test_a_deleted_item_is_still_told_after_a_restart(store: CatalogueStore, prior: Prior) -> None:
    store.upsert("shop", some("new"))
    store.delete("shop", ["new", "i1"], [False, True])
    catalogue = LiveCatalogues(store, lambda: {"shop": prior}).of("shop", prior)
    assert catalogue is not None
    item = catalogue.item("new")
    assert item is not None
    assert item.title == "new at 1"
    assert catalogue.item("i1") == prior.catalogue.items[1]  # type: ignore[union-attr]


def test_a_replaced_folder_keeps_the_changes(store: CatalogueStore, prior: Prior, tmp_path: Path) -> None:
    live = LiveCatalogues(store, lambda: {"shop": prior})
    store.upsert("shop", some("i3"))
    store.delete("shop", ["i4"], [True])
    live.refresh()
    write_shop(tmp_path / "shop", num_items=NUM_ITEMS + 5, seed=2)
    newer = load_prior(tmp_path / "shop")
    # Before any look: at once, or a deleted item would be shown.
    found = titles(live, newer)
    assert len(found) == NUM_ITEMS + 4
    assert found["i3"] == "i3 at 1"
    assert "i4" not in found


def test_a_store_that_lost_its_data_is_read_anew(
    store: CatalogueStore, prior: Prior, redis_client: redis.Redis
) -> None:
    live = LiveCatalogues(store, lambda: {"shop": prior})
    store.upsert("shop", some("old"))
    live.refresh()
    redis_client.flushall()
    store.upsert("shop", some("new", "newer"))
    live.refresh()
    assert {"new", "newer"} <= titles(live, prior).keys()
    assert "old" not in titles(live, prior)
    redis_client.flushall()
    live.refresh()
    assert len(titles(live, prior)) == NUM_ITEMS


def test_who_missed_a_deletion_that_was_forgotten_reads_everything_again(
    redis_client: redis.Redis, prior: Prior
) -> None:
    store = CatalogueStore(redis_client, keep_deleted_s=0.001)
    live = LiveCatalogues(store, lambda: {"shop": prior})
    store.upsert("shop", some("new", "kept"))
    live.refresh()
    store.delete("shop", ["new"], [False])
    for turn in range(200):
        store.delete("shop", [f"i{turn % 50}"], [True])
        if store.heads(["shop"])[0].forgotten:
            break
    live.refresh()
    assert "new" not in titles(live, prior)
    assert "kept" in titles(live, prior)


def test_without_the_store_what_was_read_is_served_and_nothing_else(prior: Prior) -> None:
    live = LiveCatalogues(CatalogueStore(connect("redis://127.0.0.1:1/0")), lambda: {"shop": prior})
    with pytest.raises(Unavailable):
        live.of("shop", prior)
    assert live.num_items("shop", prior) == NUM_ITEMS


def test_a_prior_without_items_has_no_catalogue(store: CatalogueStore, prior: Prior) -> None:
    prior.catalogue = None
    assert LiveCatalogues(store, lambda: {"shop": prior}).of("shop", prior) is None
