"""Items that come and go while two samplers' own processes serve their catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import redis

from apa.client import CatalogueEntry, Client
from apa.errors import ApaError, InvalidArgument, NotFound
from apa.local.redis_server import RedisProcess
from apa.records.feedback import Feedback, ScalarAnswer
from tests.sampler_service.service_process import RunningSampler, running_sampler
from tests.sampler_service.shop import NUM_ITEMS, vectors_of, write_shop
from tests.trainer_worker.world import TrainerWorld, write_prior
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def priors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("priors")
    write_prior(folder / "toy")
    write_shop(folder / "shop")
    return folder


@pytest.fixture(scope="module")
def samplers(
    redis_server: RedisProcess, priors: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[RunningSampler]]:
    folders = [tmp_path_factory.mktemp("sampler") for _ in range(2)]
    with (
        running_sampler(folders[0], redis_server.url, priors) as one,
        running_sampler(folders[1], redis_server.url, priors) as other,
    ):
        yield [one, other]


@pytest.fixture
def clients(samplers: list[RunningSampler], redis_client: redis.Redis) -> Iterator[list[Client]]:
    with samplers[0].client() as one, samplers[1].client() as other:
        # What the last test had changed is gone from the store.
        for client in (one, other):
            wait_for_items(client, NUM_ITEMS)
        yield [one, other]


@pytest.fixture
def world(redis_client: redis.Redis, tmp_path: Path) -> TrainerWorld:
    write_shop(tmp_path / "shop")
    return TrainerWorld(redis_client, tmp_path)


def num_items(client: Client) -> int:
    return next(prior.card.num_items for prior in client.list_priors() if prior.card.name == "shop")


def shown(client: Client, session: str, request_id: str | None = None) -> list[str]:
    items = client.sample(session, request_id=request_id).slate.items
    return [item.item.item_id for item in items if item.item is not None]


def wait_for_items(client: Client, count: int) -> None:
    wait_until(lambda: num_items(client) == count, 60, f"a catalogue of {count} items")


def test_items_come_and_go_on_every_sampler_and_after_a_restart(
    clients: list[Client], world: TrainerWorld, priors: Path, redis_url: str, tmp_path: Path
) -> None:
    one, other = clients
    session = world.session(prior="shop", particles_per_round=8, num_particles=32)
    first = shown(one, session, "first")
    assert len(set(first)) == 8

    gone = [f"i{n}" for n in range(NUM_ITEMS) if n not in (50, 51)]
    new = [CatalogueEntry(f"new{n}", f"New {n}", vectors_of()[n], {"n": "x"}) for n in range(3)]
    sold = CatalogueEntry("sold", "Sold", vectors_of()[0], in_stock=False)
    assert one.upsert_items("shop", [*new, sold]).changed == 4
    change = other.delete_items("shop", [*gone, "never"])
    assert (change.revision, change.changed) == (4 + len(gone), len(gone))
    left = {"i50", "i51", "new0", "new1", "new2"}
    for client in clients:
        wait_for_items(client, len(left) + 1)

    (tmp_path / "third").mkdir()
    with running_sampler(tmp_path / "third", redis_url, priors) as third, third.client() as restarted:
        for turn, client in enumerate((one, other, restarted)):
            fresh = world.session(f"fresh{turn}", prior="shop", particles_per_round=8, num_particles=32)
            assert set(shown(client, fresh)) == left, "a shorter slate, of what is in stock"
            # What was shown before it was deleted is replayed, title and all.
            again = client.sample(session, request_id="first").slate
            assert [item.item.item_id for item in again.items if item.item] == first
            assert {item.item.title for item in again.items if item.item} == {f"Item {i[1:]}" for i in first}
        assert num_items(restarted) == len(left) + 1

    slate = one.sample(session, request_id="first").slate
    world.stores.slates.particles(session, [item.particle_id for item in slate.items])


def test_a_slate_of_items_that_were_deleted_meanwhile_takes_feedback(
    clients: list[Client], world: TrainerWorld
) -> None:
    client = clients[0]
    session = world.session(prior="shop", surrogate="linear")
    slate = client.sample(session).slate
    client.delete_items("shop", [item.item.item_id for item in slate.items if item.item])
    wait_for_items(client, NUM_ITEMS - len(slate.items))
    for item in slate.items:
        answer = ScalarAnswer(particle_id=item.particle_id, reward=float(item.x[0]))
        world.stores.ledger.record(
            Feedback(feedback_id=f"f-{item.particle_id}", session_id=session, answer=answer)
        )
    world.refit(session)
    assert world.trained_events(session) == len(slate.items)
    after = shown(client, session)
    assert not {item.item.item_id for item in slate.items if item.item} & set(after)


def test_scores_are_of_the_catalogue_as_it_is(clients: list[Client], world: TrainerWorld) -> None:
    client = clients[0]
    session = world.session(prior="shop")
    world.answer(session)
    world.refit(session)
    mean = client.score(session, ["i0", "i1"]).mean
    client.upsert_items("shop", [CatalogueEntry("copy", "", vectors_of()[0], in_stock=False)])
    client.upsert_items("shop", [CatalogueEntry("i1", "", vectors_of()[0])])
    client.delete_items("shop", ["i2"])
    wait_until(lambda: not scored(client, session, "i2"), 60, "the deletion")
    error = refused(NotFound, lambda: client.score(session, ["i0", "i2"]))
    assert (error.field, error.found) == ("item_ids.1", "i2")
    found = client.score(session, ["i0", "copy", "i1"]).mean
    np.testing.assert_allclose(found, [mean[0]] * 3, rtol=1e-5)
    assert abs(mean[1] - mean[0]) > 1e-3


def scored(client: Client, session: str, item_id: str) -> bool:
    try:
        client.score(session, [item_id])
    except NotFound:
        return False
    return True


def test_a_request_is_kept_whole_or_not_at_all(clients: list[Client]) -> None:
    client = clients[0]
    good = CatalogueEntry("good", "", vectors_of()[0])
    for bad, field in (
        (CatalogueEntry("bad", "x" * 2000, vectors_of()[0]), "items.1.title"),
        (CatalogueEntry("bad", "", [np.nan] * 4), "vectors.1"),
        (CatalogueEntry("good", "", vectors_of()[0]), "items.1.item_id"),
    ):
        assert (
            refused(InvalidArgument, lambda bad=bad: client.upsert_items("shop", [good, bad])).field == field
        )
    entry = CatalogueEntry("good", "", [1.0, 2.0])
    assert refused(InvalidArgument, lambda: client.upsert_items("shop", [entry])).field == "vectors.shape"
    for call in (client.upsert_items, client.delete_items):
        assert refused(InvalidArgument, lambda call=call: call("shop", [])).expected == "1 to 1000"
    assert refused(InvalidArgument, lambda: client.delete_items("shop", ["a", "a"])).field == "item_ids.1"
    assert refused(InvalidArgument, lambda: client.delete_items("toy", ["a"])).field == "prior"
    assert refused(NotFound, lambda: client.delete_items("nobody", ["a"])).field == "prior"
    assert client.upsert_items("shop", [good]).revision == 1, "nothing before it was kept"


def refused(kind: type[ApaError], call: object) -> ApaError:
    with pytest.raises(kind) as found:
        call()  # type: ignore[operator]
    return found.value
