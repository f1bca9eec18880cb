from __future__ import annotations

import time

import pytest

from apa import keys
from apa.errors import FailedPrecondition, NotFound
from apa.records.session import Ledger
from tests.apa.store.world import LONG_S, World, a_slate, particles_of


def test_a_closed_session_shows_no_slate_and_takes_no_answer(world: World) -> None:
    slate = world.show()
    world.answer(slate, 0)

    world.sessions.close("s1")

    for call in (world.reserve, lambda: world.answer(slate, 1)):
        with pytest.raises(FailedPrecondition) as refused:
            call()
        assert refused.value.field == "session_id"
        assert "closed" in refused.value.message
        assert refused.value.found.startswith("s1, closed at 20")
    assert world.totals().spent == 1


def test_closing_gives_back_what_slates_reserve_and_is_harmless_when_repeated(world: World) -> None:
    world.answer(world.show(), 0)
    world.reserve()

    world.sessions.close("s1")
    closed = world.totals()
    world.sessions.close("s1")

    assert closed.closed_at == pytest.approx(time.time(), abs=30)
    assert closed == Ledger(spent=1, round_index=1, num_events=1, closed_at=closed.closed_at)
    assert world.totals() == closed
    assert not world.client.exists(keys.open_slates("s1"), keys.unanswered("s1"), keys.making("s1"))


def test_what_was_done_before_the_closing_is_answered_the_same_again(world: World) -> None:
    slate = world.show()
    first = world.answer(slate, 0)
    world.sessions.close("s1")
    assert world.answer(slate, 0) == first.model_copy(update={"duplicate": True})
    assert world.slates.reserve("s1", slate.request_id, "other", 4, LONG_S).replay == slate


def test_a_run_under_way_when_its_session_is_closed_shows_nothing(world: World) -> None:
    reservation = world.reserve(request_id="r")
    world.sessions.close("s1")
    slate = a_slate(reservation, 4, "r")

    with pytest.raises(FailedPrecondition, match="closed"):
        world.slates.put(slate, particles_of(slate))
    with pytest.raises(FailedPrecondition, match="closed"):
        world.reserve(request_id="r")

    assert not world.client.exists(keys.particle("s1", slate.items[0].particle_id))


def test_an_unknown_session_cannot_be_closed(world: World) -> None:
    with pytest.raises(NotFound):
        world.sessions.close("nobody")
