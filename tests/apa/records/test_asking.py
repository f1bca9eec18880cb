from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apa.records.asking import answers_to, shown_for, total_rounds
from apa.records.session import FeedbackKindName, SessionConfig


def config(kind: FeedbackKindName, k: int = 8, raters: int = 0, budget: int = 80) -> SessionConfig:
    return SessionConfig(
        prior="fashion",
        budget=budget,
        feedback_kind=kind,
        particles_per_round=k,
        raters=tuple(f"r{one}" for one in range(raters)),
    )


@pytest.mark.parametrize(
    ("kind", "k", "asked"),
    [("scalar", 8, 8), ("binary", 8, 8), ("pairwise", 8, 4), ("pairwise", 7, 3), ("ranking", 8, 7)],
)
def test_a_slate_asks_by_its_kind_and_each_rater_for_itself(
    kind: FeedbackKindName, k: int, asked: int
) -> None:
    assert answers_to(config(kind, k), k) == answers_to(config(kind, k, raters=1), k) == asked
    assert answers_to(config(kind, k, raters=3), k) == 3 * asked


@given(
    st.sampled_from(["scalar", "binary", "pairwise", "ranking"]),
    st.integers(2, 20),
    st.integers(0, 4),
    st.data(),
)
def test_what_is_left_of_a_budget_is_asked_about_the_fewest_particles_that_can_ask_it(
    kind: FeedbackKindName, k: int, raters: int, data: st.DataObject
) -> None:
    session = config(kind, k, raters)
    left = data.draw(st.integers(1, answers_to(session, k)))

    shown = shown_for(session, left)

    assert 1 <= shown <= k
    assert answers_to(session, shown) >= left
    if left < answers_to(session, k):
        assert answers_to(session, shown - 1) < left


def test_a_slate_that_asks_nothing_shows_k() -> None:
    assert shown_for(config("ranking"), 0) == 8


def test_the_rounds_of_a_budget_are_those_of_algorithm_1_and_fewer_where_a_slate_asks_more() -> None:
    assert total_rounds(config("scalar")) == 10
    assert total_rounds(config("scalar", budget=81)) == 11
    assert total_rounds(config("pairwise")) == 20
    assert total_rounds(config("binary", raters=2)) == 5
