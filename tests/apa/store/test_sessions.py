from __future__ import annotations

import pytest
import redis

from apa import keys
from apa.errors import AlreadyExists, DataLoss, InvalidArgument, NotFound
from apa.records.session import Ledger
from apa.store.sessions import SessionStore
from tests.apa.store.world import a_session


@pytest.fixture
def store(redis_client: redis.Redis) -> SessionStore:
    return SessionStore(redis_client)


def all_pages(store: SessionStore, tenant: str = "", user_id: str = "", page_size: int = 7) -> list[str]:
    found: list[str] = []
    token = ""
    while True:
        sessions, token = store.page(tenant, user_id, page_size, token)
        assert len(sessions) <= page_size
        found += [session.session_id for session in sessions]
        if not token:
            return found


def test_a_created_session_is_read_back_with_an_empty_ledger(store: SessionStore) -> None:
    session = store.create(a_session())

    assert store.get("s1") == session
    assert store.ledger("s1") == Ledger()


def test_creating_the_same_session_again_gives_the_first_one(store: SessionStore) -> None:
    first = store.create(a_session(created_at=1.0))

    assert store.create(a_session(created_at=2.0)) == first


def test_the_same_id_with_other_contents_is_refused_and_changes_nothing(store: SessionStore) -> None:
    first = store.create(a_session(budget=10))

    with pytest.raises(AlreadyExists) as refused:
        store.create(a_session(budget=11))

    assert refused.value.field == "session_id"
    assert store.get("s1") == first


def test_an_unknown_session_is_not_found(store: SessionStore) -> None:
    for read in (store.get, store.ledger):
        with pytest.raises(NotFound) as refused:
            read("nobody")
        assert (refused.value.field, refused.value.found) == ("session_id", "nobody")


def test_a_record_of_a_newer_release_is_read_without_what_is_new(
    store: SessionStore, redis_client: redis.Redis
) -> None:
    session = store.create(a_session())
    raw = session.model_dump_json()
    raw = raw.replace('"schema_version":1', '"schema_version":2,"mood":"fine"').replace(
        '"prior"', '"new_knob":3,"prior"'
    )
    redis_client.set(keys.session("s1"), raw)

    assert store.get("s1") == session.model_copy(update={"schema_version": 2})


def test_a_damaged_record_is_data_loss_naming_the_field(
    store: SessionStore, redis_client: redis.Redis
) -> None:
    redis_client.set(keys.session("s1"), a_session().model_dump_json().replace('"budget":10', '"budget":"x"'))

    with pytest.raises(DataLoss) as damaged:
        store.get("s1")

    assert damaged.value.field == "config.budget"


def test_pages_visit_every_session_of_every_shard_once(store: SessionStore) -> None:
    ids = [f"session-{i}" for i in range(100)]
    for session_id in ids:
        store.create(a_session(session_id))
    assert len({keys.shard_of(session_id) for session_id in ids}) > 30

    assert sorted(all_pages(store)) == sorted(ids)
    assert sorted(all_pages(store, page_size=1000)) == sorted(ids)


@pytest.mark.parametrize("page_size", [1, 2, 1000])
def test_pages_can_be_of_one_tenant_or_one_user(store: SessionStore, page_size: int) -> None:
    # Names that are prefixes of one another, or look like the index's own spelling.
    users = [("a", "ann"), ("a", "anna"), ("a", "an/na"), ("a", "é %"), ("ab", "ann"), ("a.b", "ann")]
    for number, (tenant, user_id) in enumerate(users):
        for copy in range(3):
            store.create(a_session(f"{number}:{copy}", tenant=tenant, user_id=user_id))

    def expected(*numbers: int) -> list[str]:
        return sorted(f"{number}:{copy}" for number in numbers for copy in range(3))

    assert sorted(all_pages(store, "a", page_size=page_size)) == expected(0, 1, 2, 3)
    assert sorted(all_pages(store, "ab", page_size=page_size)) == expected(4)
    assert sorted(all_pages(store, "a", "an/na", page_size=page_size)) == expected(2)
    assert sorted(all_pages(store, "a", "é %", page_size=page_size)) == expected(3)
    assert sorted(all_pages(store, "", "ann", page_size=page_size)) == expected(0, 4, 5)
    assert all_pages(store, "nobody", page_size=page_size) == []


@pytest.mark.parametrize("token", ["?", "bm9uc2Vuc2U=", "OTkvYS9iL2M=", "é"])
def test_a_token_that_no_page_gave_is_an_invalid_argument(store: SessionStore, token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        store.page(page_token=token)
    assert refused.value.field == "page_token"


@pytest.mark.parametrize("page_size", [0, -1, 1001])
def test_a_page_size_out_of_range_is_an_invalid_argument(store: SessionStore, page_size: int) -> None:
    with pytest.raises(InvalidArgument) as refused:
        store.page(page_size=page_size)
    assert (refused.value.field, refused.value.found) == ("page_size", str(page_size))
