from __future__ import annotations

import redis

from apa.records.session import Ledger
from apa.store.surrogates import SurrogateStore
from apa.store.views import SessionViews
from tests.apa.store.test_surrogates import fitted
from tests.apa.store.world import World, a_session


def test_views_show_each_sessions_totals_and_surrogate_in_order(
    world: World, redis_client: redis.Redis
) -> None:
    other = world.sessions.create(a_session("s2"))
    world.answer(world.show(), 0)
    lease = world.due.acquire("s1", 60)
    assert lease is not None
    version, blob = fitted(1)
    SurrogateStore(redis_client).publish(lease, version, blob)

    fresh, used = SessionViews(redis_client).of([other, world.sessions.get("s1")])

    assert (fresh.session_id, fresh.ledger, fresh.surrogate) == ("s2", Ledger(), None)
    assert (used.session_id, used.spent, used.ledger.reserved) == ("s1", 1, 3)
    assert used.surrogate == version
    assert used.is_fitted


def test_a_session_that_is_gone_has_no_view(world: World, redis_client: redis.Redis) -> None:
    assert SessionViews(redis_client).of([a_session("gone")]) == []
    assert SessionViews(redis_client).of([]) == []
