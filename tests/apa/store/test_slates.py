from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import redis

from apa import keys
from apa.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from apa.records.ids import TEXT_IN_WORDS
from apa.records.particle import Particle
from apa.records.session import Ledger
from apa.records.slate import Slate
from apa.store.slates import Arguments, Reservation
from tests.apa.store.world import LONG_S, SHORT_S, World, a_slate, an_answer, particles_of
from tests.waiting import wait_until


def test_a_reservation_takes_k_from_the_budget_and_the_last_one_what_is_left(world: World) -> None:
    assert [world.reserve(k=4).asked for _ in range(4)] == [4, 4, 2, 0]
    assert world.totals().reserved == 10


def test_an_unknown_session_reserves_nothing(world: World) -> None:
    with pytest.raises(NotFound):
        world.slates.reserve("nobody", "r", "sl", 4, LONG_S)


def test_a_stored_slate_and_its_particles_are_read_back(world: World) -> None:
    slate = world.show(num_items=3)

    assert world.slates.slate("s1", slate.slate_id) == slate
    assert world.slates.shown_items("s1") == {item.item_id for item in slate.items}
    ids = [item.particle_id for item in reversed(slate.items)]
    for read, wanted in zip(world.slates.particles("s1", ids), reversed(particles_of(slate)), strict=True):
        assert (read.particle_id, read.slate_id) == (wanted.particle_id, wanted.slate_id)
        np.testing.assert_array_equal(read.x, wanted.x)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 4, 4)])
def test_a_particle_keeps_its_shape_and_every_bit(world: World, shape: tuple[int, ...]) -> None:
    reservation = world.reserve(k=1, request_id="r")
    slate = a_slate(reservation, 1, "r")
    x = np.asarray(np.random.default_rng(0).normal(size=shape), dtype=np.float32)

    world.slates.put(slate, [Particle(slate.items[0].particle_id, slate.slate_id, x)])

    (read,) = world.slates.particles("s1", [slate.items[0].particle_id])
    assert read.x.dtype == np.float32
    assert read.x.shape == shape
    np.testing.assert_array_equal(read.x, x)


def test_a_slate_is_dated_by_the_stores_clock(world: World) -> None:
    slate = world.show(lifetime_s=50.0)

    seconds, _ = world.client.time()
    assert slate.expires_at - slate.created_at == pytest.approx(50.0)
    assert slate.created_at == pytest.approx(seconds, abs=5.0)


def test_the_same_request_again_replays_its_slate_and_reserves_nothing(world: World) -> None:
    slate = world.show(num_items=3)

    again = world.slates.reserve("s1", slate.request_id, "another", 4, LONG_S)

    assert again.replay == slate
    assert again.slate_id == slate.slate_id
    assert world.totals().reserved == 3


def test_a_request_is_replayed_for_as_long_as_its_slate_lives(world: World) -> None:
    reservation = world.reserve(request_id="r", lifetime_s=1.0)
    slate = a_slate(reservation, 4, "r", lifetime_s=LONG_S)
    world.slates.put(slate, particles_of(slate))

    assert world.client.pttl(keys.request("s1", "r")) > 0.9 * LONG_S * 1000
    assert world.client.pttl(keys.slate("s1", slate.slate_id)) > 0.9 * LONG_S * 1000


ARGUMENTS: Arguments = {"num_particles": 32, "sampling.beta": 4.0}


def reserve_with(world: World, arguments: Arguments | None, slate_id: str = "other") -> Reservation:
    return world.slates.reserve("s1", "r", slate_id, 4, LONG_S, arguments)


def store(world: World, reservation: Reservation, lifetime_s: float = LONG_S) -> Slate:
    slate = a_slate(reservation, 4, "r", lifetime_s)
    return world.slates.put(slate, particles_of(slate))


def test_a_request_id_that_comes_back_with_other_arguments_is_refused(world: World) -> None:
    making = reserve_with(world, ARGUMENTS, "sl")
    for stored in (False, True):
        if stored:
            store(world, making)
        with pytest.raises(AlreadyExists) as refused:
            reserve_with(world, {"num_particles": 32, "sampling.beta": 2.0, "sampling.seed": 1})
        assert refused.value.field == "request_id"
        assert refused.value.expected == "the same arguments, or another request_id"
        assert refused.value.found == "sampling.beta: 2.0, was 4.0; sampling.seed: 1, was left out"
        with pytest.raises(AlreadyExists) as refused:
            reserve_with(world, {"num_particles": 32})
        assert refused.value.found == "sampling.beta: left out, was 4.0"
    assert world.totals().reserved == 4


def test_the_same_arguments_in_any_order_are_the_same_request(world: World) -> None:
    slate = store(world, reserve_with(world, ARGUMENTS, "sl"))
    assert reserve_with(world, {"sampling.beta": 4.0, "num_particles": 32}).replay == slate


def test_a_pair_is_the_same_pair_after_it_was_stored(world: World) -> None:
    reserve_with(world, {"sampling.active_interval": (0.1, 0.9), "num_particles": 8}, "sl")
    with pytest.raises(AlreadyExists) as refused:
        reserve_with(world, {"sampling.active_interval": (0.1, 0.9), "num_particles": 9})
    assert refused.value.found == "num_particles: 9, was 8"


def test_arguments_are_kept_for_as_long_as_the_slate(world: World) -> None:
    making = world.slates.reserve("s1", "r", "sl", 4, 1.0, ARGUMENTS)
    store(world, making)
    for key in (keys.request("s1", "r"), keys.request_arguments("s1", "r")):
        assert world.client.pttl(key) > 0.9 * LONG_S * 1000


def test_a_reservation_without_arguments_replays_whatever_comes_later(world: World) -> None:
    """As an earlier release stored it; and an earlier release asks without them."""
    slate = store(world, reserve_with(world, None, "sl"))
    assert reserve_with(world, ARGUMENTS).replay == slate
    world.slates.release("s1", "sl")
    assert reserve_with(world, None).replay == slate


def test_the_arguments_of_a_released_reservation_hold_nobody(world: World) -> None:
    other: Arguments = {"num_particles": 8}
    for slate_id, arguments in (("a", ARGUMENTS), ("b", other)):
        assert reserve_with(world, arguments, slate_id).asked == 4
        world.slates.release("s1", slate_id)
    assert not world.client.exists(keys.request_arguments("s1", "r"))


def test_arguments_that_an_earlier_release_left_behind_hold_nobody(world: World) -> None:
    reserve_with(world, ARGUMENTS, "a")
    # An earlier release frees the request and reserves it again, and knows nothing of arguments.
    left = world.client.get(keys.request_arguments("s1", "r"))
    world.slates.release("s1", "a")
    assert left is not None
    world.client.set(keys.request_arguments("s1", "r"), left)
    world.client.set(keys.request("s1", "r"), "b")
    world.client.hset(keys.making("s1"), "b", "r")
    with pytest.raises(Unavailable):
        reserve_with(world, {"num_particles": 8})


def test_a_request_that_is_under_way_elsewhere_is_to_be_tried_again(world: World) -> None:
    world.reserve(request_id="r")

    with pytest.raises(Unavailable) as refused:
        world.reserve(request_id="r")

    assert refused.value.field == "request_id"
    assert refused.value.retry_after_s
    assert world.totals().reserved == 4


@pytest.mark.parametrize("request_id", ["", "r\n", "r\x00", "r" * 257])
def test_a_request_id_is_a_text_without_control_characters(world: World, request_id: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        world.slates.reserve("s1", request_id, "sl", 4, LONG_S)

    assert (refused.value.field, refused.value.expected) == ("request_id", TEXT_IN_WORDS)
    assert world.totals().reserved == 0


def test_a_reserve_whose_reply_was_lost_is_answered_the_same(world: World) -> None:
    first = world.slates.reserve("s1", "r", "sl", 4, LONG_S)

    assert world.slates.reserve("s1", "r", "sl", 4, LONG_S) == first
    assert world.totals().reserved == 4


def test_a_put_whose_reply_was_lost_may_be_repeated(world: World) -> None:
    reservation = world.reserve(request_id="r")
    slate = a_slate(reservation, 4, "r")
    world.slates.put(slate, particles_of(slate))

    world.slates.put(slate, particles_of(slate))

    assert world.totals().reserved == 4


def test_many_callers_of_one_request_make_one_slate(world: World) -> None:
    def call(number: int) -> bool:
        try:
            return world.slates.reserve("s1", "r", f"sl{number}", 4, LONG_S).asked == 4
        except Unavailable:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(call, range(40))) == 1
    assert world.totals().reserved == 4


def test_many_runs_at_once_never_reserve_more_than_the_budget(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda _: world.reserve(k=3).asked, range(40)))

    assert sorted(asked, reverse=True)[:4] == [3, 3, 3, 1]
    assert sum(asked) == world.totals().reserved == 10


def test_a_shorter_slate_gives_back_what_it_does_not_ask(world: World) -> None:
    reservation = world.reserve(k=4, request_id="r")

    slate = a_slate(reservation, 3, "r")
    world.slates.put(slate, particles_of(slate))

    assert world.totals().reserved == 3


def test_a_released_reservation_frees_its_budget_and_its_request(world: World) -> None:
    reservation = world.reserve(request_id="r")

    world.slates.release("s1", reservation.slate_id)

    assert world.totals().reserved == 0
    assert world.totals().round_index == 0
    assert world.reserve(request_id="r").asked == 4


def test_releasing_a_stored_slate_changes_nothing(world: World) -> None:
    slate = world.show()

    world.slates.release("s1", slate.slate_id)

    assert world.slates.slate("s1", slate.slate_id) == slate
    assert world.totals().reserved == 4


def test_a_run_that_died_gives_its_budget_back_when_its_reservation_expires(world: World) -> None:
    world.reserve(request_id="r", lifetime_s=SHORT_S)
    assert world.totals().reserved == 4

    wait_until(lambda: world.totals().reserved == 0, what="the release")

    assert world.totals().round_index == 0, "a slate that nobody saw is no round"
    assert world.reserve(request_id="r").asked == 4


def test_a_slate_after_its_reservation_expired_is_refused_and_leaves_no_particles(world: World) -> None:
    reservation = world.reserve(request_id="r", lifetime_s=SHORT_S)
    wait_until(lambda: world.totals().reserved == 0, what="the release")
    slate = a_slate(reservation, 4, "r")

    with pytest.raises(FailedPrecondition) as refused:
        world.slates.put(slate, particles_of(slate))

    assert refused.value.field == "slate_id"
    with pytest.raises(NotFound):
        world.slates.particles("s1", [slate.items[0].particle_id])
    assert world.slates.shown_items("s1") == set()


def test_an_unanswered_slate_expires_once_as_one_round(world: World) -> None:
    slate = world.show(lifetime_s=SHORT_S)
    assert world.totals().round_index == 0

    wait_until(lambda: world.totals().round_index == 1, what="the expiry")

    assert world.totals().reserved == 0
    assert world.reserve().round_index == 1
    assert world.totals().round_index == 1
    with pytest.raises(NotFound):
        world.slates.slate("s1", slate.slate_id)


def test_every_call_that_looks_at_the_budget_releases_what_expired(world: World) -> None:
    for _ in range(3):
        world.show(lifetime_s=SHORT_S)
    wait_until(lambda: not world.client.exists(keys.slate("s1", "sl2")), what="the expiry")

    assert world.reserve(k=100).asked == 10


def test_a_slate_may_not_ask_more_than_was_reserved_or_than_its_raters_can_say(world: World) -> None:
    reservation = world.reserve(k=2, request_id="r")
    for asked, limit in [(3, 2), (4 * 64 + 1, 4 * 64)]:
        slate = a_slate(reservation, 4, "r").model_copy(update={"asked": asked})
        with pytest.raises(InvalidArgument) as refused:
            world.slates.put(slate, particles_of(slate))
        assert (refused.value.expected, refused.value.found) == (f"at most {limit}", str(asked))


def test_a_slate_without_its_particles_is_refused(world: World) -> None:
    slate = a_slate(world.reserve(request_id="r"), 4, "r")

    with pytest.raises(InvalidArgument):
        world.slates.put(slate, particles_of(slate)[:-1])


def test_with_the_budget_spent_a_slate_is_served_and_asks_nothing(world: World) -> None:
    for _ in range(2):
        slate = world.show(num_items=5)
        for index in range(5):
            world.answer(slate, index)
    assert world.totals().spent == 10

    slate = world.show(num_items=4)

    assert slate.asked == 0
    assert world.slates.slate("s1", slate.slate_id) == slate
    assert world.slates.reserve("s1", slate.request_id, "x", 4, LONG_S).replay == slate
    with pytest.raises(FailedPrecondition):
        world.answer(slate, 0)
    assert world.totals() == Ledger(spent=10, round_index=2, num_events=10)


def test_particles_that_were_never_shown_are_not_found(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        world.slates.particles("s1", ["never"])
    assert refused.value.found == "never"


def test_an_answered_particle_stays_after_its_slate_is_gone(world: World) -> None:
    slate = world.show(num_items=2, lifetime_s=0.3)
    world.answer(slate, 0)
    wait_until(lambda: world.totals().round_index == 1, what="the expiry")

    answered, other = (item.particle_id for item in slate.items)
    assert world.slates.particles("s1", [answered])[0].slate_id == slate.slate_id
    wait_until(lambda: not world.client.exists(keys.particle("s1", other)), what="the particle's expiry")


def test_a_slate_is_kept_for_good_once_one_of_it_is_answered(world: World) -> None:
    answered, other = world.show(num_items=2, lifetime_s=0.3), world.show(num_items=2, lifetime_s=0.3)
    world.answer(answered, 0)
    wait_until(lambda: not world.client.exists(keys.slate("s1", other.slate_id)), what="the slate's expiry")

    assert world.client.ttl(keys.slate("s1", answered.slate_id)) == -1
    assert world.slates.slate("s1", answered.slate_id) == answered
    newest = world.show()
    kept = world.client.zrange(keys.slates("s1"), 0, -1)
    assert kept == [answered.slate_id.encode(), newest.slate_id.encode()]
    assert world.client.zrange(keys.passing_slates("s1"), 0, -1) == [newest.slate_id.encode()]


def test_the_record_of_a_slate_stays_as_long_as_its_particles(redis_client: redis.Redis) -> None:
    world = World(redis_client, late_answers_s=600.0)
    slate = world.show(num_items=1, lifetime_s=SHORT_S)
    wait_until(lambda: world.totals().round_index == 1, what="the expiry")

    world.answer(slate, 0)

    assert world.slates.slate("s1", slate.slate_id) == slate


def test_ids_that_look_alike_do_not_share_keys() -> None:
    assert keys.slate("a", "b:c") != keys.slate("a:b", "c")
    assert keys.particle("a", "b:c").endswith("particle:a/b:c")


def test_an_answer_by_an_id_of_another_session_is_not_found(world: World) -> None:
    slate = world.show()
    other = an_answer(slate.items[0].particle_id, session_id="s2")
    with pytest.raises(NotFound):
        world.ledger.record(other)
