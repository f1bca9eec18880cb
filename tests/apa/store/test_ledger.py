from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from apa import keys
from apa.errors import AlreadyExists, ApaError, FailedPrecondition, NotFound
from apa.records.feedback import Acknowledgement, Feedback, ScalarAnswer
from apa.records.session import Ledger
from apa.store.ledger import FeedbackLedger
from tests.apa.store.world import SHORT_S, World, an_answer
from tests.waiting import wait_until


def everything(client: redis.Redis) -> dict[bytes, object]:
    """The whole contents of the server, to see that a refusal wrote nothing."""
    return {key: client.dump(key) for key in client.scan_iter()}


def rewards(events: list[Feedback]) -> list[float]:
    return [event.answer.reward for event in events if isinstance(event.answer, ScalarAnswer)]


def test_an_accepted_answer_is_counted_appended_and_makes_its_session_due(world: World) -> None:
    slate = world.show()

    acknowledged = world.answer(slate, 0, reward=0.25)

    assert acknowledged == Acknowledgement(
        feedback_id=f"f-{slate.items[0].particle_id}", sequence=1, duplicate=False, spent=1, remaining=9
    )
    assert world.totals() == Ledger(spent=1, reserved=3, num_events=1)
    assert world.ledger.events("s1") == [an_answer(slate.items[0].particle_id, reward=0.25)]
    assert world.due.due(10) == ["s1"]


def test_a_session_that_is_due_keeps_its_place_when_more_answers_come(world: World) -> None:
    slate = world.show()
    world.client.zadd(keys.due(keys.shard_of("s1")), {"s1": 5.0})

    world.answer(slate, 0)

    assert world.client.zscore(keys.due(keys.shard_of("s1")), "s1") == 5.0


def test_events_are_read_in_order_from_any_place_and_carry_their_time(world: World) -> None:
    slate = world.show()
    for index in range(4):
        world.answer(slate, index, reward=float(index))

    assert rewards(world.ledger.events("s1")) == [0.0, 1.0, 2.0, 3.0]
    assert rewards(world.ledger.events("s1", start=3)) == [3.0]
    assert world.ledger.events("s1", start=4) == []
    (last,) = world.ledger.log("s1", start=3)
    assert last.recorded_at == pytest.approx(world.client.time()[0], abs=5)


@pytest.mark.parametrize("reward", [0.1 + 0.2, -0.0, 5e-324, 999999.9999999999, 123456.78901234567])
def test_a_reward_is_kept_to_the_last_bit(world: World, reward: float) -> None:
    slate = world.show()
    world.answer(slate, 0, reward=reward)
    assert rewards(world.ledger.events("s1"))[0].hex() == reward.hex()


def test_the_same_answer_again_is_the_same_acknowledgement_and_counts_nothing(world: World) -> None:
    slate = world.show()
    first = world.answer(slate, 0)
    world.answer(slate, 1)
    before = everything(world.client)

    assert world.answer(slate, 0) == first.model_copy(update={"duplicate": True})
    assert everything(world.client) == before


def test_a_duplicate_is_still_one_after_the_budget_is_spent(redis_client: redis.Redis) -> None:
    world = World(redis_client, budget=1)
    slate = world.show(num_items=2)
    first = world.answer(slate, 0)
    assert first.remaining == 0

    assert world.answer(slate, 0) == first.model_copy(update={"duplicate": True})
    with pytest.raises(FailedPrecondition):
        world.answer(slate, 1)


def test_every_refusal_names_its_field_and_writes_nothing(world: World) -> None:
    slate = world.show()
    answered, other = slate.items[0].particle_id, slate.items[1].particle_id
    world.ledger.record(an_answer(answered, "taken"))
    before = everything(world.client)

    refusals: list[tuple[type[ApaError], str, dict[str, str | float]]] = [
        (AlreadyExists, "particle_id", {"particle_id": answered, "feedback_id": "taken", "reward": 2.0}),
        (AlreadyExists, "feedback_id", {"particle_id": other, "feedback_id": "taken"}),
        (AlreadyExists, "particle_id", {"particle_id": answered, "feedback_id": "second-opinion"}),
        (NotFound, "particle_id", {"particle_id": "never shown"}),
        (NotFound, "session_id", {"particle_id": other, "session_id": "nobody"}),
    ]
    for kind, field, contents in refusals:
        particle_id = str(contents.pop("particle_id"))
        with pytest.raises(kind) as refused:
            world.ledger.record(an_answer(particle_id, **({"feedback_id": "new"} | contents)))  # type: ignore[arg-type]
        assert refused.value.field == field
    assert everything(world.client) == before


def test_an_answer_that_is_changed_is_refused_naming_the_particle_and_the_answer(world: World) -> None:
    slate = world.show()
    world.answer(slate, 0, reward=0.25)

    with pytest.raises(AlreadyExists) as refused:
        world.answer(slate, 0, reward=0.5)

    assert "cannot be changed" in refused.value.message
    assert refused.value.field == "particle_id"
    particle_id = slate.items[0].particle_id
    assert (
        refused.value.expected == f"the recorded answer again, or another id that supersedes f-{particle_id}"
    )
    assert refused.value.found == f"another answer for {particle_id}"


def test_a_budget_that_is_reserved_but_not_spent_is_refused_saying_so(redis_client: redis.Redis) -> None:
    world = World(redis_client, budget=3)
    world.show(num_items=3)
    asks_nothing = world.show(num_items=1)

    with pytest.raises(FailedPrecondition) as refused:
        world.answer(asks_nothing, 0)

    assert (refused.value.field, refused.value.found) == ("budget", "0 spent and 3 reserved of 3")


def test_an_answer_about_an_expired_particle_is_not_found(world: World) -> None:
    slate = world.show(lifetime_s=SHORT_S)
    key = keys.particle("s1", slate.items[0].particle_id)
    wait_until(lambda: not world.client.exists(key), what="the particle's expiry")

    with pytest.raises(NotFound):
        world.answer(slate, 0)


def test_the_last_answer_of_a_slate_ends_its_round(world: World) -> None:
    slate = world.show(num_items=3)
    rounds = []
    for index in range(3):
        world.answer(slate, index)
        rounds.append(world.totals().round_index)

    assert rounds == [0, 0, 1]
    assert world.totals().reserved == 0
    assert world.client.zcard(keys.open_slates("s1")) == 0


def test_an_answered_round_is_not_counted_again_when_its_slate_expires(world: World) -> None:
    slate = world.show(num_items=1, lifetime_s=1.0)
    world.answer(slate, 0)
    wait_until(lambda: not world.client.exists(keys.request("s1", slate.request_id)), what="the expiry")

    assert world.totals().round_index == 1


def test_a_late_answer_takes_from_budget_that_nobody_reserves(redis_client: redis.Redis) -> None:
    world = World(redis_client, budget=3, late_answers_s=600.0)
    slate = world.show(num_items=3, lifetime_s=SHORT_S)
    wait_until(lambda: world.totals().round_index == 1, what="the expiry")

    world.answer(slate, 0)
    assert world.totals() == Ledger(spent=1, round_index=1, num_events=1)

    later = world.show(num_items=2)
    with pytest.raises(FailedPrecondition) as refused:
        world.answer(slate, 1)
    assert refused.value.field == "budget"
    world.answer(later, 0)
    world.answer(later, 1)
    assert world.totals() == Ledger(spent=3, round_index=2, num_events=3)


def test_a_batch_has_one_result_for_each_and_a_refusal_touches_no_other(world: World) -> None:
    slate = world.show(num_items=2)
    first, second = (an_answer(item.particle_id) for item in slate.items)

    results = world.ledger.record_many([first, an_answer("never-shown"), first, second])

    assert [getattr(result, "sequence", None) for result in results] == [1, None, 1, 2]
    assert isinstance(results[1], NotFound)
    assert [r.duplicate for r in results if isinstance(r, Acknowledgement)] == [False, True, False]
    assert world.ledger.record_many([]) == []


def test_many_callers_never_overspend_and_count_each_answer_once(redis_client: redis.Redis) -> None:
    world = World(redis_client, budget=20, late_answers_s=600.0)
    slates = [world.show(num_items=8) for _ in range(4)]
    assert [slate.asked for slate in slates] == [8, 8, 4, 0]
    # Every answer is sent three times, by callers of their own.
    answers = [an_answer(item.particle_id) for slate in slates for item in slate.items] * 3
    start = threading.Barrier(8)

    def send(caller: int) -> Counter[str]:
        seen: Counter[str] = Counter()
        ledger = FeedbackLedger(redis_client)
        start.wait(10)
        for answer in answers[caller::8]:
            try:
                seen["duplicate" if ledger.record(answer).duplicate else "new"] += 1
            except FailedPrecondition:
                seen["refused"] += 1
        return seen

    with ThreadPoolExecutor(8) as pool:
        outcomes = sum(pool.map(send, range(8)), Counter())

    events = world.ledger.events("s1")
    totals = world.totals()
    assert outcomes["new"] == len(events) == len({event.feedback_id for event in events})
    assert totals.spent == totals.num_events == 20
    assert totals.reserved == 0
    assert totals.round_index == 3


def test_the_digest_of_an_answer_does_not_change_between_releases(world: World) -> None:
    """A release that digests otherwise would refuse what callers send again across an upgrade."""
    slate = world.show()
    world.ledger.record(an_answer(slate.items[0].particle_id, "f", reward=0.5))

    receipt = world.client.hget(keys.receipts("s1"), "f")

    assert slate.items[0].particle_id == "sl0-p0"
    assert receipt is not None
    assert receipt.split() == [
        b"fb8bf1ed6c80723140c5a93877289b51f66db5ee080aba64dc04f8927dba54cb",
        b"1",
        b"1",
    ]
