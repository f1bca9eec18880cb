from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from apa.errors import DataLoss
from apa.records.feedback import (
    Answer,
    BinaryAnswer,
    Feedback,
    PairwiseAnswer,
    RankingAnswer,
    ScalarAnswer,
)
from apa.records.particle import Particle
from apa.records.session import SessionConfig
from trainer_worker.dataset import current, dataset, particle_ids, unseen
from trainer_worker.observations import Observations

ITEMS = [
    Particle(name, "slate", np.array([place, place], np.float32))
    for place, name in enumerate("abcd", start=1)
]


def config(**fields: Any) -> SessionConfig:
    return SessionConfig.model_validate({"prior": "toy", "budget": 80} | fields)


def answered(answer: Answer, number: int = 0, rater: str = "", supersedes: str = "") -> Feedback:
    return Feedback(
        feedback_id=f"f-{number}", session_id="s1", answer=answer, rater=rater, supersedes=supersedes
    )


def scalar(particle_id: str, reward: float, **fields: Any) -> Feedback:
    return answered(ScalarAnswer(particle_id=particle_id, reward=reward), **fields)


def binary(particle_id: str, liked: bool, **fields: Any) -> Feedback:
    return answered(BinaryAnswer(particle_id=particle_id, liked=liked), **fields)


def observed(events: Sequence[Feedback], **fields: Any) -> Observations:
    return dataset(events, ITEMS, (2,), config(**fields))


def said(data: Observations) -> list[tuple[tuple[int, ...], float]]:
    """What is said of which items, by the first coordinate of each."""
    items = [int(one) for one in data.x[:, 0]]
    return [
        (tuple(items[row] for row in rows), value)
        for rows, value in zip(data.rows, data.values.tolist(), strict=True)
    ]


def test_rows_follow_the_order_of_the_answers_not_of_the_particles() -> None:
    data = observed([scalar("b", 2.0), scalar("a", 1.0)])
    assert data.x.tolist() == [[2, 2], [1, 1]]
    assert (data.kind, data.rows, data.values.tolist()) == ("scalar", ((0,), (1,)), [2.0, 1.0])
    assert str(data.values.dtype) == "torch.float64"


def test_no_answers_are_no_observations() -> None:
    data = dataset([], [], (1, 28, 28), config())
    assert data.x.shape == (0, 1, 28, 28)
    assert len(data) == 0
    assert data.values.shape == (0,)


def test_a_corrected_answer_counts_as_it_was_corrected_and_from_then_on() -> None:
    events = [
        scalar("a", 1.0, number=1),
        scalar("b", 2.0, number=2),
        scalar("a", 3.0, number=3, supersedes="f-1"),
        scalar("a", 4.0, number=4, supersedes="f-3"),
    ]
    assert said(observed(events)) == [((2,), 2.0), ((1,), 4.0)]
    assert [event.feedback_id for event in current(events)] == ["f-2", "f-4"]


def test_an_answer_takes_the_place_of_a_default_reward_without_naming_it() -> None:
    events = [scalar("a", 0.0, number=1), scalar("b", 0.0, number=2), scalar("a", 3.0, number=3)]
    assert said(observed(events)) == [((2,), 0.0), ((1,), 3.0)]


def test_a_preference_that_was_turned_round_counts_once() -> None:
    events = [
        answered(PairwiseAnswer(preferred="a", other="b"), number=1),
        answered(PairwiseAnswer(preferred="b", other="a"), number=2, supersedes="f-1"),
    ]
    assert said(observed(events, feedback_kind="pairwise")) == [((2, 1), 0.0)]


@pytest.mark.parametrize(("aggregation", "of_a"), [("mean", 2.0), ("max", 3.5), ("least_misery", 0.5)])
def test_rewards_of_several_raters_become_one_over_those_who_answered(aggregation: str, of_a: float) -> None:
    events = [
        scalar("a", 0.5, rater="ada"),
        scalar("b", 1.0, rater="ben"),
        scalar("a", 3.5, rater="ben"),
        scalar("a", 2.0, rater="eve"),
    ]
    data = observed(events, raters=("ada", "ben", "eve"), aggregation=aggregation)
    assert said(data) == [((1,), of_a), ((2,), 1.0)]


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("mean", [((1,), 1.0), ((1,), 0.0), ((2,), 1.0), ((2,), 1.0)]),
        ("max", [((1,), 1.0), ((2,), 1.0)]),
        ("least_misery", [((1,), 0.0), ((2,), 1.0)]),
    ],
)
def test_what_several_raters_like_is_kept_apart_or_asked_of_any_or_of_all(
    aggregation: str, expected: list[tuple[tuple[int], float]]
) -> None:
    events = [
        binary(item, liked, rater=rater)
        for item, liked, rater in [
            ("a", True, "ada"),
            ("a", False, "ben"),
            ("b", True, "ada"),
            ("b", True, "ben"),
        ]
    ]
    data = observed(events, feedback_kind="binary", raters=("ada", "ben"), aggregation=aggregation)
    assert said(data) == expected
    assert len(data.x) == 2


def test_comparisons_and_rankings_of_all_raters_are_pooled_and_share_their_items() -> None:
    pairs = [
        answered(PairwiseAnswer(preferred="c", other="a"), rater="ada"),
        answered(PairwiseAnswer(preferred="a", other="c"), rater="ben"),
        answered(PairwiseAnswer(preferred="b", other="c"), rater="ben"),
    ]
    data = observed(pairs, feedback_kind="pairwise", raters=("ada", "ben"))
    assert said(data) == [((3, 1), 0.0), ((1, 3), 0.0), ((2, 3), 0.0)]
    assert particle_ids(pairs) == ["c", "a", "b"]

    rankings = [
        answered(RankingAnswer(particle_ids=("d", "a", "c"))),
        answered(RankingAnswer(particle_ids=("c", "d"))),
    ]
    assert said(observed(rankings, feedback_kind="ranking")) == [((4, 1, 3), 0.0), ((3, 4), 0.0)]


def test_an_answer_of_another_kind_than_the_sessions_is_damage() -> None:
    with pytest.raises(DataLoss) as caught:
        observed([binary("a", True)])
    assert (caught.value.expected, caught.value.found) == ("scalar", "binary")


@pytest.mark.parametrize(
    ("particles", "found"),
    [
        ([], "none"),
        ([Particle("a", "slate", np.array([1, 2, 3], np.float32))], "(3,)"),
        ([Particle("a", "slate", np.array([1, np.nan], np.float32))], "NaN or infinity"),
    ],
)
def test_what_cannot_be_trained_on_is_named(particles: list[Particle], found: str) -> None:
    with pytest.raises(DataLoss, match="answered particle a ") as caught:
        dataset([scalar("a", 1.0)], particles, (2,), config())
    assert caught.value.found == found


def news(events: Sequence[Feedback], num_seen: int, **fields: Any) -> list[bool]:
    return unseen(observed(events, **fields), events, num_seen).tolist()


def test_what_is_said_of_an_item_for_the_first_time_is_news() -> None:
    events = [scalar("a", 1.0, number=0), scalar("b", 0.0, number=1), scalar("c", 2.0, number=2)]
    assert news(events, 1) == [False, True, True]
    assert news(events, 0) == [True, True, True]
    assert news(events, 3) == [False, False, False]


def test_neither_a_correction_nor_a_second_rater_is_news() -> None:
    first = scalar("a", 1.0, number=0)
    corrected = scalar("a", 0.0, number=2, supersedes="f-0")
    assert news([first, scalar("b", 0.0, number=1), corrected], 1) == [True, False]
    raters = {"raters": ("ada", "ben"), "feedback_kind": "binary"}
    heard = [binary("a", True, number=0, rater="ada"), binary("a", False, number=1, rater="ben")]
    assert news(heard, 1, **raters) == [False, False]


def test_a_comparison_is_news_though_its_items_are_known() -> None:
    orders = [
        answered(PairwiseAnswer(preferred="a", other="b"), number=0),
        answered(PairwiseAnswer(preferred="b", other="c"), number=1),
    ]
    assert news(orders, 1, feedback_kind="pairwise") == [False, True]
