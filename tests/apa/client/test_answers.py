"""What a caller may answer with, and the ids that this makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apa.client import BinaryAnswer, Feedback, PairwiseAnswer, RankingAnswer, ScalarAnswer
from apa.client.answers import feedback_of
from apa.errors import InvalidArgument

PAIR = PairwiseAnswer(preferred="a", other="b")
TURNED = PairwiseAnswer(preferred="b", other="a")
RANKING = RankingAnswer(particle_ids=("a", "b", "c"))


def only_id(answers: Any, rater: str = "", supersedes: str | None = None, session: str = "s") -> str:
    (made,) = feedback_of(session, answers, rater, supersedes)
    return made.feedback_id


def test_numbers_are_rewards_and_truths_are_likes() -> None:
    rewards = feedback_of("s", {"a": 1, "b": 0.5, "c": float(np.float32(2.0))})
    assert [one.answer for one in rewards] == [
        ScalarAnswer(particle_id="a", reward=1.0),
        ScalarAnswer(particle_id="b", reward=0.5),
        ScalarAnswer(particle_id="c", reward=2.0),
    ]
    likes = feedback_of("s", {"a": True, "b": bool(np.float32(1.0) > 2.0), "c": np.bool_(True)})  # type: ignore[dict-item]
    assert [one.answer for one in likes] == [
        BinaryAnswer(particle_id="a", liked=True),
        BinaryAnswer(particle_id="b", liked=False),
        BinaryAnswer(particle_id="c", liked=True),
    ]


def test_answers_of_any_kind_are_given_as_they_are_with_their_rater() -> None:
    made = feedback_of("s", [PAIR, RANKING], "ada")
    assert [one.answer for one in made] == [PAIR, RANKING]
    assert {(one.rater, one.session_id, one.supersedes) for one in made} == {("ada", "s", "")}


def test_the_id_of_an_unnamed_raters_answer_is_the_one_that_it_always_had() -> None:
    """A client of the first release that repeats itself after an upgrade must meet its own answer."""
    assert only_id({"p": 1.0}) == "d8aa7974425a5c15847a2ac0f219fb19"


def test_an_id_follows_from_session_rater_and_subject_and_from_nothing_else() -> None:
    assert only_id({"p": 1.0}) == only_id({"p": 2.0})
    assert only_id([PAIR]) == only_id([TURNED])
    assert only_id([RANKING]) == only_id([RankingAnswer(particle_ids=("c", "b", "a"))])
    different = [
        only_id({"p": 1.0}),
        only_id({"q": 1.0}),
        only_id({"p": 1.0}, session="t"),
        only_id({"p": 1.0}, rater="ada"),
        only_id({"p": 1.0}, rater="ben"),
        only_id([PAIR]),
        only_id([PAIR], rater="ada"),
        only_id([RANKING]),
    ]
    assert len(set(different)) == len(different)


def test_a_correction_has_an_id_of_its_own_that_follows_from_what_it_corrects() -> None:
    first = only_id({"p": 1.0})
    second = only_id({"p": 2.0}, supersedes=first)
    third = only_id({"p": 3.0}, supersedes=second)
    assert len({first, second, third}) == 3
    assert only_id({"p": 2.0}, supersedes=first) == second
    (made,) = feedback_of("s", {"p": 2.0}, supersedes=[first])
    assert made.supersedes == first


@pytest.mark.parametrize(
    ("answers", "fields", "field"),
    [
        ([{"particle_id": "p"}], {}, "answers"),
        ("p", {}, "answers"),
        (7, {}, "answers"),
        ({"": 1.0}, {}, "answer.particle_id"),
        ({"p": "good"}, {}, "answer.reward"),
        ({"p": None}, {}, "answer.reward"),
        ({"p": 1.0}, {"rater": "two words"}, "rater"),
        ({"p": 1.0}, {"supersedes": ["f1", "f2"]}, "supersedes"),
        ({"p": 1.0}, {"supersedes": ""}, "supersedes"),
        ({"p": 1.0}, {"supersedes": []}, "supersedes"),
        ({"p": 1.0}, {"supersedes": [7]}, "supersedes"),
        ([Feedback(feedback_id="f", session_id="s", answer=PAIR)], {"rater": "ada"}, "rater"),
        ([Feedback(feedback_id="f", session_id="s", answer=PAIR)], {"supersedes": "g"}, "supersedes"),
    ],
)
def test_what_is_no_answer_is_refused_naming_the_field(
    answers: Any, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        feedback_of("s", answers, **fields)
    assert refused.value.field == field
