"""Everything of a user goes, and nothing under way brings any of it back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import redis

from apa.errors import ApaError, InvalidArgument, NotFound
from apa.local.redis_server import start_server
from apa.records.erased import Erased
from apa.records.session import RefitFailure, SurrogateVersion
from apa.store import known
from apa.store.cohorts import CohortName, Membership
from apa.store.connection import connect
from apa.store.due import DueStore
from apa.store.erasure import Erasure
from apa.store.surrogates import Fitted, SurrogateStore
from tests.apa.store.test_surrogates import a_lease, fitted
from tests.apa.store.world import LONG_S, World, a_session, a_slate, an_answer, particles_of
from tests.waiting import wait_until


@pytest.fixture
def world(redis_client: redis.Redis) -> World:
    """The session `s1` of the user `ada`."""
    world = World(redis_client, user_id="ada")
    world.sessions.create(a_session("other", user_id="bob"))
    return world


@pytest.fixture
def erasure(redis_client: redis.Redis) -> Erasure:
    return Erasure(redis_client)


def live_through_everything(world: World) -> None:
    """A session with every kind of key that there is."""
    answered, shown = world.show(num_items=4), world.show(num_items=2, has_default=True)
    world.answer(answered, 0)
    world.answer(answered, 1)
    world.slates.reserve("s1", "making", "made", 4, LONG_S, {"num_particles": 8})
    store, lease = SurrogateStore(world.client), a_lease(world.due)
    for events in range(1, 7):
        store.publish(lease, *fitted(events))
    share = Membership(CohortName("default", "viewers", "0123"), b"share")
    store.publish_many([(lease, *fitted(7))], {"s1": share})
    store.pin("s1", fitted(7)[0].version)
    world.due.fail(lease, RefitFailure(error="DataLoss", message="gone", num_events=2, failed_at=1e9), 60)
    assert shown.items


def traces(client: redis.Redis, session_id: str = "s1") -> list[str]:
    """What a look through the whole server finds: keys, and members of the keys of a shard."""
    names = [key.decode() for key in client.scan_iter()]
    found = [name for name in names if session_id in name.split(":", 3)[-1].split("/")]
    for name in names:
        if client.type(name) == b"zset":
            members = [str(member, "utf-8") for member in client.zrange(name, 0, -1)]  # type: ignore[arg-type]
            found += [f"{name} {one}" for one in members if session_id in one.split("/")]
        if client.type(name) == b"hash" and ":cohort:" in name:
            found += [f"{name} {session_id}"] if client.hexists(name, session_id) else []
    return found


def test_nothing_of_a_user_is_left_and_what_went_is_counted(world: World, erasure: Erasure) -> None:
    live_through_everything(world)
    others = set(traces(world.client, "other"))
    assert len(traces(world.client)) > 20

    erased = erasure.user("default", "ada")

    assert erased == Erased(sessions=1, events=2, slates=2, particles=6, surrogates=5, cohort_shares=1)
    assert traces(world.client) == []
    assert set(traces(world.client, "other")) == others
    with pytest.raises(NotFound):
        world.sessions.get("s1")


def test_every_session_of_the_user_goes_and_nobody_elses(world: World, erasure: Erasure) -> None:
    for number in range(30):
        world.sessions.create(a_session(f"more-{number}", user_id="ada"))
    world.sessions.create(a_session("near", user_id="ada/x"))
    world.sessions.create(a_session("elsewhere", user_id="ada", tenant="shop"))

    assert erasure.user("default", "ada") == Erased(sessions=31)

    left, _ = world.sessions.page()
    assert {session.session_id for session in left} == {"other", "near", "elsewhere"}


def test_erasing_again_or_a_user_nobody_knows_is_no_error(world: World, erasure: Erasure) -> None:
    erasure.user("default", "ada")
    assert not erasure.user("default", "ada")
    assert erasure.user("default", "nobody") == Erased()


@pytest.mark.parametrize(("tenant", "user_id"), [("", "ada"), ("default", "")])
def test_an_empty_name_never_stands_for_everybody(
    world: World, erasure: Erasure, tenant: str, user_id: str
) -> None:
    with pytest.raises(InvalidArgument):
        erasure.user(tenant, user_id)
    assert world.sessions.get("s1")


def test_a_session_of_an_earlier_release_goes_too(world: World, erasure: Erasure) -> None:
    """It has no list of its slates and of its artifacts."""
    live_through_everything(world)
    for name in ("slates", "passing_slates", "blobs"):
        world.client.delete(*world.client.scan_iter(f"apa:*:{name}:s1"))
    for passing in ("slate", "request", "request_arguments"):
        world.client.delete(*world.client.scan_iter(f"apa:*:{passing}:s1/*"))

    erased = erasure.user("default", "ada")

    assert (erased.particles, erased.surrogates) == (2, 5)
    permanent = [name for name in world.client.scan_iter("*:s1*") if world.client.ttl(name) == -1]
    assert permanent == []


def test_a_refit_under_way_publishes_settles_and_reports_nothing(world: World, erasure: Erasure) -> None:
    live_through_everything(world)
    lease = a_lease(world.due)

    erasure.user("default", "ada")

    assert not SurrogateStore(world.client).publish(lease, *fitted(99))
    assert not world.due.settle(lease, 2)
    assert not world.due.fail(lease, RefitFailure(error="X", message="", num_events=1, failed_at=1e9), 60)
    world.due.mark("s1")
    assert world.due.acquire("s1", 60) is None
    assert traces(world.client) == []


@pytest.mark.parametrize("before_storing", [True, False])
def test_a_publishing_in_the_middle_of_which_the_user_is_erased_leaves_nothing(
    world: World, erasure: Erasure, monkeypatch: pytest.MonkeyPatch, before_storing: bool
) -> None:
    lease = a_lease(world.due)
    between = SurrogateStore(world.client)
    store = between._store_blobs

    def erase_and_store(given: Sequence[Fitted]) -> list[bool | ApaError]:
        if before_storing:
            erasure.user("default", "ada")
        stored = store(given)
        assert stored == [not before_storing]
        erasure.user("default", "ada")
        return stored

    monkeypatch.setattr(between, "_store_blobs", erase_and_store)
    assert not between.publish(lease, *fitted(1))
    assert traces(world.client) == []


def test_writes_that_were_queued_when_the_user_was_erased_are_not_sent(
    world: World, erasure: Erasure
) -> None:
    calls = 0

    def queue(pipeline: redis.client.Pipeline) -> None:
        nonlocal calls
        calls += 1
        erasure.user("default", "ada")
        pipeline.set("apa:late", "1")

    assert known.while_known(world.client, "s1", queue) == []
    assert calls == 1
    assert not world.client.exists("apa:late")


def test_a_run_under_way_stores_no_slate(world: World, erasure: Erasure) -> None:
    reservation = world.reserve(request_id="r")
    erasure.user("default", "ada")
    slate = a_slate(reservation, 4, "r")
    with pytest.raises(NotFound):
        world.slates.put(slate, particles_of(slate))
    world.slates.release("s1", slate.slate_id)
    with pytest.raises(NotFound):
        world.ledger.record(an_answer(slate.items[0].particle_id))
    assert traces(world.client) == []


def test_a_refit_of_an_erased_session_cannot_publish_into_one_that_takes_its_id(
    world: World, erasure: Erasure
) -> None:
    stale = a_lease(world.due)
    erasure.user("default", "ada")
    world.sessions.create(a_session(user_id="eve"))
    lease = DueStore(world.client).acquire("s1", 60)
    assert lease is not None

    store = SurrogateStore(world.client)
    assert not store.publish(stale, *fitted(9))
    assert store.versions("s1") == []

    version: SurrogateVersion = fitted(1)[0]
    assert store.publish(lease, *fitted(1))
    assert store.versions("s1") == [version]


def test_after_the_rewriting_the_servers_files_hold_nothing_of_the_user(
    redis_program: Path, tmp_path: Path
) -> None:
    server = start_server(tmp_path, server=redis_program)
    client = connect(server.url)
    world, erasure = World(client, user_id="ada-lovelace"), Erasure(client)

    def files_name_her() -> bool:
        files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".aof", ".rdb")]
        assert files
        return any(b"ada-lovelace" in read(path) for path in files)

    def read(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            # Gone between the look at the folder and now: the server replaces its files.
            return b""

    try:
        world.answer(world.show(), 0)
        assert files_name_her()
        erasure.user("default", "ada-lovelace")
        assert erasure.rewrite_log()
        wait_until(lambda: not files_name_her(), what="the rewriting")
    finally:
        client.close()
        server.stop()


def test_a_rewriting_under_way_is_no_error(redis_program: Path, tmp_path: Path) -> None:
    server = start_server(tmp_path, server=redis_program)
    client = connect(server.url)
    try:
        # Slow enough to be met: a rewriting waits this long after every key.
        client.config_set("rdb-key-save-delay", 1_000_000)
        World(client)
        assert Erasure(client).rewrite_log()
        assert not Erasure(client).rewrite_log()
    finally:
        client.close()
        server.stop()
