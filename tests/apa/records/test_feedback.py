from __future__ import annotations

from typing import Any

import pytest

from apa.errors import DataLoss, InvalidArgument
from apa.records.feedback import (
    ANSWERS,
    Answer,
    BinaryAnswer,
    Event,
    Feedback,
    PairwiseAnswer,
    RankingAnswer,
    ScalarAnswer,
    subject_of,
)
from apa.records.validation import validated
from apa.store.stored import loaded

SCALAR = ScalarAnswer(particle_id="p", reward=0.5)
BINARY = BinaryAnswer(particle_id="p", liked=True)
PAIR = PairwiseAnswer(preferred="b", other="a")
RANKING = RankingAnswer(particle_ids=("c", "a", "b"))


def feedback(answer: Answer, rater: str = "", supersedes: str = "") -> Feedback:
    return Feedback(feedback_id="f", session_id="s", answer=answer, rater=rater, supersedes=supersedes)


@pytest.mark.parametrize(
    ("answer", "particles", "cost"),
    [(SCALAR, ("p",), 1), (BINARY, ("p",), 1), (PAIR, ("b", "a"), 1), (RANKING, ("c", "a", "b"), 2)],
)
def test_an_answer_knows_its_particles_and_its_cost(
    answer: Answer, particles: tuple[str, ...], cost: int
) -> None:
    assert (answer.particle_ids, answer.cost) == (particles, cost)


@pytest.mark.parametrize("answer", [SCALAR, BINARY, PAIR, RANKING])
def test_every_kind_is_stored_and_read_back(answer: Answer) -> None:
    for given in (feedback(answer), feedback(answer, rater="ada", supersedes="e")):
        assert loaded(Feedback, given.model_dump_json()) == given


def test_an_answer_of_the_first_release_is_a_scalar_and_is_still_written_as_it_was() -> None:
    raw = '{"schema_version":1,"feedback_id":"f","session_id":"s","answer":{"particle_id":"p","reward":0.5}}'
    assert loaded(Feedback, raw) == feedback(SCALAR)
    assert feedback(SCALAR).model_dump_json() == raw
    assert not loaded(Event, f'{{"recorded_at":1.0,"feedback":{raw}}}').defaulted


def test_a_kind_of_a_later_release_cannot_be_read_and_says_so() -> None:
    raw = '{"feedback_id":"f","session_id":"s","answer":{"kind":"gesture","particle_id":"p"}}'
    with pytest.raises(DataLoss) as refused:
        loaded(Feedback, raw)
    assert refused.value.field == "answer"
    assert "gesture" in refused.value.expected


def test_a_field_of_a_later_release_is_left_alone_inside_an_answer_too() -> None:
    raw = feedback(PAIR).model_dump_json().replace('"preferred"', '"strength":2,"preferred"')
    assert loaded(Feedback, raw) == feedback(PAIR)


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        ("scalar", {"particle_id": "p", "reward": float("nan")}, "reward"),
        ("binary", {"particle_id": "p", "liked": 2}, "liked"),
        ("pairwise", {"preferred": "p", "other": "p"}, "other"),
        ("pairwise", {"preferred": "p"}, "other"),
        ("ranking", {"particle_ids": ("a",)}, "particle_ids"),
        ("ranking", {"particle_ids": ("a", "b", "a")}, "particle_ids"),
    ],
)
def test_what_is_no_answer_is_refused_naming_the_field(kind: str, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        validated(ANSWERS[kind], fields)
    assert refused.value.field == field
    assert refused.value.expected


def test_a_subject_is_a_pair_or_a_set_whatever_the_order_and_a_raters_own() -> None:
    assert subject_of(SCALAR) == "p"
    assert subject_of(PAIR) == subject_of(PairwiseAnswer(preferred="a", other="b"))
    assert subject_of(RANKING) == subject_of(RankingAnswer(particle_ids=("a", "b", "c")))
    raters = [subject_of(SCALAR, rater) for rater in ("", "ada", "ben")]
    subjects = {*raters, subject_of(PAIR), subject_of(RANKING), subject_of(PAIR, "ada")}
    assert len(subjects) == 6


@pytest.mark.parametrize("name", ["two words", "-", "a/b", "x" * 129])
def test_a_rater_and_what_is_superseded_are_ids_or_nothing(name: str) -> None:
    for field in ("rater", "supersedes"):
        with pytest.raises(InvalidArgument) as refused:
            validated(Feedback, feedback(SCALAR).model_dump() | {field: name})
        assert refused.value.field == field
