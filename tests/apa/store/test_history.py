from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest
import redis

from apa import keys
from apa.errors import NotFound
from apa.records.history import HistoryRecord, PastSlate, RecordedFeedback
from apa.records.session import SurrogateVersion
from apa.records.shown import SessionView
from apa.records.slate import Slate
from apa.store import history as history_module
from apa.store.erasure import Erasure
from apa.store.history import History
from apa.store.surrogates import SurrogateStore
from tests.apa.store.test_surrogates import a_lease, fitted
from tests.apa.store.world import SHORT_S, World, particles_of
from tests.waiting import wait_until


@pytest.fixture
def history(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> History:
    """Of pages so small that everything takes several."""
    monkeypatch.setattr(history_module, "EVENTS_PER_PAGE", 2)
    monkeypatch.setattr(history_module, "SLATES_PER_PAGE", 2)
    return History(redis_client)


def slates_of(records: Sequence[HistoryRecord]) -> list[PastSlate]:
    return [record for record in records if isinstance(record, PastSlate)]


def assert_as_shown(found: PastSlate, slate: Slate) -> None:
    same = [field.name for field in fields(PastSlate) if field.name != "items"]
    assert [getattr(found, name) for name in same] == [getattr(slate, name) for name in same]
    for item, shown in zip(found.items, slate.items, strict=True):
        for name in type(shown).model_fields:
            assert getattr(item, name) == getattr(shown, name)


def test_a_history_is_the_session_its_slates_its_answers_and_its_surrogates(
    world: World, history: History
) -> None:
    shown = [world.show(num_items=2) for _ in range(5)]
    for slate in shown:
        world.answer(slate, 1, reward=0.5)
    world.answer(shown[0], 0)
    lease = a_lease(world.due)
    for events in (1, 2):
        SurrogateStore(world.client).publish(lease, *fitted(events))

    records = list(history.records("s1"))

    kinds = [SessionView, *[PastSlate] * 5, *[RecordedFeedback] * 6, *[SurrogateVersion] * 2]
    assert [type(record) for record in records] == kinds
    for found, slate in zip(slates_of(records), shown, strict=True):
        assert_as_shown(found, slate)
        for item, particle in zip(found.items, particles_of(slate), strict=True):
            assert item.x is not None
            np.testing.assert_array_equal(item.x, particle.x)
    answers = [record for record in records if isinstance(record, RecordedFeedback)]
    assert [answer.sequence for answer in answers] == [1, 2, 3, 4, 5, 6]
    assert [(one.feedback, one.recorded_at, one.defaulted) for one in answers] == [
        (event.feedback, event.recorded_at, event.defaulted) for event in world.ledger.log("s1")
    ]
    assert records[-2:] == [fitted(2)[0], fitted(1)[0]]


def test_of_an_expired_slate_with_an_answer_all_is_kept_but_the_other_tensors(
    world: World, history: History
) -> None:
    slate = world.show(num_items=2, lifetime_s=0.3)
    world.answer(slate, 0)
    world.show(num_items=2, lifetime_s=SHORT_S)
    other = keys.particle("s1", slate.items[1].particle_id)
    wait_until(lambda: not world.client.exists(other), what="the particle's expiry")

    (found,) = slates_of(list(history.records("s1")))

    assert_as_shown(found, slate)
    assert [item.x is None for item in found.items] == [False, True]


def test_of_an_earlier_release_what_is_left_is_found(world: World, history: History) -> None:
    """It kept no list of slates; the record of an answered one went, its answered particle did not."""
    gone, there = world.show(num_items=2), world.show(num_items=2)
    for slate in (there, gone):
        world.answer(slate, 1)
    world.client.delete(keys.slates("s1"), keys.passing_slates("s1"), keys.slate("s1", gone.slate_id))
    newer = world.show(num_items=1)

    first, second, third = slates_of(list(history.records("s1")))

    assert_as_shown(first, there)
    assert (second.slate_id, second.created_at) == (gone.slate_id, 0.0)
    (item,) = second.items
    assert (item.particle_id, item.reason, item.propensity) == (gone.items[1].particle_id, None, 0.0)
    assert item.x is not None
    assert_as_shown(third, newer)


def test_what_is_answered_while_it_is_read_is_not_in_it(world: World, history: History) -> None:
    slate = world.show()
    world.answer(slate, 0)
    reading = history.records("s1")
    view = next(reading)
    world.answer(slate, 1)

    rest = list(reading)

    assert isinstance(view, SessionView)
    assert sum(isinstance(record, RecordedFeedback) for record in rest) == view.ledger.num_events == 1


def test_a_session_that_is_unknown_or_deleted_meanwhile_is_not_found(world: World, history: History) -> None:
    with pytest.raises(NotFound):
        next(history.records("nobody"))
    slate = world.show()
    for index in range(4):
        world.answer(slate, index)
    reading = history.records("s1")
    next(reading)
    Erasure(world.client).user("default", "anonymous")
    with pytest.raises(NotFound):
        list(reading)
