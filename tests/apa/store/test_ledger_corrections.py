"""Answers that replace others, and default rewards that give way to answers."""

from __future__ import annotations

import pytest
import redis

from apa import keys
from apa.errors import AlreadyExists, ApaError, FailedPrecondition, InvalidArgument, NotFound
from apa.records.feedback import Acknowledgement, Answer, Feedback, PairwiseAnswer, ScalarAnswer
from apa.records.session import Ledger
from apa.records.slate import Slate
from tests.apa.store.test_ledger import everything
from tests.apa.store.world import World, an_answer


def reward(slate: Slate, place: int, value: float) -> Answer:
    return ScalarAnswer(particle_id=slate.items[place].particle_id, reward=value)


def test_a_correction_costs_nothing_is_appended_and_holds_from_then_on(world: World) -> None:
    slate = world.show(num_items=2)
    world.record("f1", reward(slate, 0, 0.25))
    before = world.totals()

    corrected = world.record("f2", reward(slate, 0, 0.5), supersedes="f1")

    assert corrected.model_dump() == {
        "feedback_id": "f2",
        "sequence": 2,
        "duplicate": False,
        "spent": 1,
        "remaining": 9,
    }
    assert world.totals() == before.model_copy(update={"num_events": 2})
    assert [event.supersedes for event in world.ledger.events("s1")] == ["", "f1"]
    again = world.record("f3", reward(slate, 0, 0.75), supersedes="f2")
    assert (again.sequence, again.spent) == (3, 1)


def test_a_correction_makes_its_session_due_again(world: World) -> None:
    slate = world.show()
    world.record("f1", reward(slate, 0, 0.25))
    lease = world.due.acquire("s1", 60.0)
    assert lease is not None
    assert world.due.settle(lease, 1)

    world.record("f2", reward(slate, 0, 0.5), supersedes="f1")

    assert world.due.due(10) == ["s1"]


def test_a_correction_is_accepted_with_the_budget_spent_and_repeated_at_no_harm(
    redis_client: redis.Redis,
) -> None:
    world = World(redis_client, budget=1)
    slate = world.show(num_items=1)
    first = world.record("f1", reward(slate, 0, 0.25))
    corrected = world.record("f2", reward(slate, 0, 0.5), supersedes="f1")
    before = everything(redis_client)

    assert world.record("f1", reward(slate, 0, 0.25)) == first.model_copy(update={"duplicate": True})
    again = world.record("f2", reward(slate, 0, 0.5), supersedes="f1")
    assert again == corrected.model_copy(update={"duplicate": True})
    assert everything(redis_client) == before


def test_what_cannot_be_corrected_is_refused_naming_why_and_writes_nothing(world: World) -> None:
    slate = world.show()
    world.record("f1", reward(slate, 0, 0.25))
    world.record("f2", reward(slate, 0, 0.5), supersedes="f1")
    world.record("g", reward(slate, 1, 0.5))
    before = everything(world.client)

    refusals: list[tuple[str, int, type[ApaError], str]] = [
        ("nothing", 0, NotFound, "nothing"),
        ("nothing", 2, NotFound, "nothing"),
        ("f1", 0, FailedPrecondition, "f1, replaced by f2"),
        ("g", 0, InvalidArgument, "g"),
        ("f2", 1, InvalidArgument, "f2"),
        ("f2", 2, InvalidArgument, "f2"),
    ]
    for supersedes, place, kind, found in refusals:
        with pytest.raises(kind) as refused:
            world.record("new", reward(slate, place, 0.75), supersedes=supersedes)
        assert (refused.value.field, refused.value.found) == ("supersedes", found)
    with pytest.raises(AlreadyExists):
        world.record("f2", reward(slate, 0, 0.75), supersedes="f1")
    assert everything(world.client) == before


def test_a_rater_corrects_its_own_answers_only(redis_client: redis.Redis) -> None:
    world = World(redis_client, config={"raters": ("ada", "ben")})
    slate = world.show()
    world.record("f", reward(slate, 0, 0.25), rater="ada")

    with pytest.raises(InvalidArgument) as refused:
        world.record("g", reward(slate, 0, 0.5), rater="ben", supersedes="f")
    assert refused.value.expected == f"an answer about {slate.items[0].particle_id} by ben"


def test_a_preference_is_turned_round_by_a_correction(redis_client: redis.Redis) -> None:
    world = World(redis_client, config={"feedback_kind": "pairwise"})
    slate = world.show()
    one, two, three = (item.particle_id for item in slate.items[:3])
    world.record("f1", PairwiseAnswer(preferred=one, other=two))

    turned = world.record("f2", PairwiseAnswer(preferred=two, other=one), supersedes="f1")
    assert turned.spent == 1
    with pytest.raises(InvalidArgument):
        world.record("f3", PairwiseAnswer(preferred=one, other=three), supersedes="f2")


def default(slate: Slate, place: int, value: float = 0.0) -> Feedback:
    particle_id = slate.items[place].particle_id
    return an_answer(particle_id, f"default-{particle_id}", reward=value)


def give_defaults(world: World, slate: Slate) -> list[Acknowledgement | ApaError]:
    return world.ledger.record_defaults([default(slate, place) for place in range(len(slate.items))])


def outcomes(found: list[Acknowledgement | ApaError]) -> list[object]:
    return [one.duplicate if isinstance(one, Acknowledgement) else type(one) for one in found]


def test_default_rewards_fill_what_was_not_answered_and_end_the_round(world: World) -> None:
    slate = world.show(num_items=3)
    world.record("f", reward(slate, 1, 0.5))

    found = give_defaults(world, slate)

    assert outcomes(found) == [False, AlreadyExists, False]
    assert world.totals() == Ledger(spent=3, reserved=0, round_index=1, num_events=3)
    assert [(event.feedback.feedback_id, event.defaulted) for event in world.ledger.log("s1")] == [
        ("f", False),
        (default(slate, 0).feedback_id, True),
        (default(slate, 2).feedback_id, True),
    ]
    assert outcomes(give_defaults(world, slate)) == [True, AlreadyExists, True]
    assert world.totals().num_events == 3


def test_default_rewards_take_nothing_but_what_their_slate_reserves(redis_client: redis.Redis) -> None:
    world = World(redis_client, budget=10)
    slate = world.show(num_items=3)
    redis_client.zadd(keys.open_slates("s1"), {slate.slate_id: 1})
    assert world.totals().reserved == 0

    assert outcomes(give_defaults(world, slate)) == [FailedPrecondition] * 3
    assert world.totals().spent == 0


def test_a_true_answer_takes_the_place_of_a_default_reward_at_no_cost_once(world: World) -> None:
    slate = world.show(num_items=2)
    give_defaults(world, slate)

    late = world.record("f", reward(slate, 0, 0.5))

    assert (late.sequence, late.spent) == (3, 2)
    with pytest.raises(AlreadyExists) as refused:
        world.record("g", reward(slate, 0, 0.75))
    assert refused.value.found.endswith("answered by f")
    assert outcomes(give_defaults(world, slate)) == [True, True]
    assert world.totals() == Ledger(spent=2, reserved=0, round_index=1, num_events=3)
    assert world.record("h", reward(slate, 0, 0.75), supersedes="f").spent == 2


def test_a_default_reward_may_also_be_corrected_by_its_name(world: World) -> None:
    slate = world.show(num_items=1)
    give_defaults(world, slate)
    corrected = world.record("f", reward(slate, 0, 0.5), supersedes=default(slate, 0).feedback_id)
    assert (corrected.sequence, corrected.spent) == (2, 1)


def test_a_correction_that_names_a_replaced_default_reward_is_told_by_what(world: World) -> None:
    slate = world.show(num_items=1)
    give_defaults(world, slate)
    world.record("f", reward(slate, 0, 0.5))
    name = default(slate, 0).feedback_id
    with pytest.raises(FailedPrecondition) as refused:
        world.record("g", reward(slate, 0, 0.75), supersedes=name)
    assert refused.value.found == f"{name}, replaced by f"
