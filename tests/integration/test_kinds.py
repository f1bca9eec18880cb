"""Sessions of every kind of feedback, through the services' own processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from apa.client import Client, PairwiseAnswer, RankingAnswer, ShownItem
from apa.client.answers import Answers
from apa.errors import AlreadyExists, InvalidArgument
from tests.waiting import wait_until

Answering = Callable[[Sequence[ShownItem]], Answers]


def brightness(item: ShownItem) -> float:
    return float(np.clip(item.x, -1.0, 1.0).mean())


def in_pairs(items: Sequence[ShownItem]) -> Answers:
    """Neighbours against each other, the brighter one preferred."""
    pairs = [sorted(items[place : place + 2], key=brightness) for place in range(0, len(items) - 1, 2)]
    return [PairwiseAnswer(preferred=two[1].particle_id, other=two[0].particle_id) for two in pairs]


def ranked(items: Sequence[ShownItem]) -> Answers:
    best_first = sorted(items, key=brightness, reverse=True)
    return [RankingAnswer(particle_ids=tuple(item.particle_id for item in best_first))]


ANSWERING: dict[str, Answering] = {
    "scalar": lambda items: {item.particle_id: brightness(item) for item in items},
    "binary": lambda items: {item.particle_id: brightness(item) > -0.5 for item in items},
    "pairwise": in_pairs,
    "ranking": ranked,
}


@pytest.mark.parametrize(
    ("kind", "budget", "asked"),
    [
        ("scalar", 10, [6, 4, 0]),
        ("binary", 10, [6, 4, 0]),
        ("pairwise", 5, [3, 2, 0]),
        ("ranking", 8, [5, 3, 0]),
    ],
)
def test_a_session_of_every_kind_asks_is_answered_and_learns_until_its_budget_is_spent(
    client: Client, kind: str, budget: int, asked: list[int]
) -> None:
    session = client.create_session(
        "fashion", budget, feedback_kind=kind, particles_per_round=6, sampling={"num_steps": 5}
    )
    spent = 0
    for wanted in asked:
        slate = client.sample(session.session_id).slate
        assert slate.asked == wanted
        if wanted:
            client.record_feedback(session.session_id, ANSWERING[kind](slate.items))
            spent += wanted
            view = client.wait_for_refit(session.session_id)
            assert (view.spent, view.ledger.reserved, view.is_fitted) == (spent, 0, True)
    assert slate.surrogate_version, "the last slate was not steered"


def test_a_group_answers_each_for_itself_and_corrects_itself(client: Client) -> None:
    session = client.create_session(
        "fashion",
        12,
        feedback_kind="binary",
        particles_per_round=3,
        raters=["ada", "ben"],
        aggregation="least_misery",
        sampling={"num_steps": 5},
    )
    slate = client.sample(session.session_id).slate
    assert slate.asked == 6
    particles = [item.particle_id for item in slate.items]
    first = client.record_feedback(session.session_id, dict.fromkeys(particles, True), rater="ada")
    client.record_feedback(session.session_id, dict.fromkeys(particles, False), rater="ben")
    with pytest.raises(InvalidArgument, match="one of ada, ben"):
        client.record_feedback(session.session_id, {particles[0]: True}, rater="eve")
    with pytest.raises(AlreadyExists):
        client.record_feedback(session.session_id, {particles[0]: False}, rater="ada")

    corrected = client.record_feedback(
        session.session_id, {particles[0]: False}, rater="ada", supersedes=first[0].feedback_id
    )

    assert corrected[0].acknowledgement is not None
    assert corrected[0].acknowledgement.spent == 6
    view = client.wait_for_refit(session.session_id)
    assert (view.spent, view.ledger.num_events, view.ledger.round_index) == (6, 7, 1)


def test_what_nobody_answers_in_time_is_given_the_default_reward_and_learnt_from(client: Client) -> None:
    session = client.create_session(
        "fashion",
        12,
        feedback_kind="binary",
        particles_per_round=3,
        answer_wait_s=1.0,
        default_reward=0.0,
        sampling={"num_steps": 5},
    )
    slate = client.sample(session.session_id).slate
    assert slate.expires_at <= time.time() + 1.5
    clicked = slate.items[0].particle_id
    client.record_feedback(session.session_id, {clicked: True})

    wait_until(lambda: client.get_session(session.session_id).spent == 3, 30, "the default rewards")
    view = client.wait_for_refit(session.session_id)
    assert (view.ledger.reserved, view.ledger.round_index, view.ledger.num_events) == (0, 1, 3)

    late = client.record_feedback(session.session_id, {slate.items[1].particle_id: True})
    assert late[0].acknowledgement is not None
    assert (late[0].acknowledgement.spent, late[0].acknowledgement.sequence) == (3, 4)
