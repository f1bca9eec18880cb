"""Explanations: every item of a slate gets one sentence that says what decided."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from apa.records.explanation import explain
from apa.records.session import PolicyName
from apa.records.shown import ShownItem, ShownSlate
from apa.records.slate import SelectionReason


def item(reason: SelectionReason, score: float, propensity: float = 1.0, at: float = 0.0) -> ShownItem:
    return ShownItem(
        particle_id=f"p{at}",
        population_index=0,
        x=np.array([at, 0.0], dtype=np.float32),
        reason=reason,
        propensity=propensity,
        predicted_mean=0.5,
        predicted_std=0.125,
        score=score,
    )


def slate(*items: ShownItem, policy: str = "ucb", surrogate_version: str = "v") -> ShownSlate:
    return ShownSlate("s", "session", items, 1, len(items), surrogate_version, 2.0, 1.0, policy)


def test_a_top_item_says_its_place_its_prediction_and_that_it_was_sure() -> None:
    assert explain(slate(item("top", 0.5), item("top", 0.625), item("random", -1.0, 0.25))) == [
        "Among the highest by score, score 0.5, number 2 of 3 by it, predicted reward 0.5 ± 0.12, "
        "sure to be shown.",
        "Among the highest by score, score 0.625, number 1 of 3 by it, predicted reward 0.5 ± 0.12, "
        "sure to be shown.",
        "A uniform draw from the rest, to explore, score -1, number 3 of 3 by it, "
        "predicted reward 0.5 ± 0.12, shown with probability 0.25.",
    ]


def test_a_diverse_item_says_what_it_was_kept_apart_from() -> None:
    shown = slate(
        item("top", 3.0, at=0.0),
        item("diverse", 2.0, at=5.0),
        item("diverse", 1.0, at=1.0),
        policy="batch_ucb",
    )
    sentences = explain(shown)
    assert sentences[1].startswith("Among the highest once item 1 counts as known, score 2")
    assert sentences[2].startswith(
        "Among the highest once the 2 items above count as known (nearest: item 1), score 1"
    )


def test_draws_say_what_they_were_drawn_by() -> None:
    drawn = item("sampled", 1.0, 0.5)
    assert "a chance that rises" in explain(slate(drawn, policy="gumbel_top_k"))[0]
    assert "one draw from what the surrogate holds possible" in explain(slate(drawn, policy="thompson"))[0]


def test_a_cold_start_has_nothing_to_say_of_scores_and_predictions() -> None:
    cold = slate(item("cold_start", 0.0, 0.8), policy="", surrogate_version="")
    assert explain(cold) == ["A draw of the prior, as nothing is known yet, shown with probability 0.8."]


def test_a_slate_of_a_release_without_scores_is_explained_without_them() -> None:
    assert explain(slate(item("top", 0.0), policy="")) == [
        "Among the highest by score, predicted reward 0.5 ± 0.12, sure to be shown."
    ]


@pytest.mark.parametrize("reason", get_args(SelectionReason))
@pytest.mark.parametrize("policy", get_args(PolicyName))
def test_every_reason_of_every_policy_is_one_sentence(reason: SelectionReason, policy: str) -> None:
    first, second = explain(slate(item(reason, 1.0), item(reason, 1.0), policy=policy))
    for sentence in (first, second):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert "\n" not in sentence


def test_an_empty_slate_has_no_explanations() -> None:
    assert explain(slate()) == []
