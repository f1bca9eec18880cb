"""What a session's history gives the Open Bandit Pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apa.client import HistoryRecord, PastItem, PastSlate, RecordedFeedback, SessionView, bandit_feedback
from apa.records.feedback import Feedback
from apa.records.session import Session, SessionConfig

KEYS = {"n_rounds", "n_actions", "context", "action", "position", "reward", "pscore", "action_context"}


def a_slate(round_index: int, propensities: list[float], catalogue: bool = False) -> PastSlate:
    items = [
        PastItem(
            particle_id=f"r{round_index}-{place}",
            x=np.full((1, 2), round_index + place / 10, np.float32),
            reason="sampled",
            propensity=propensity,
            item_id=f"film-{place}" if catalogue else None,
        )
        for place, propensity in enumerate(propensities)
    ]
    return PastSlate(f"slate{round_index}", "s1", tuple(items), round_index=round_index, created_at=1e9)


def an_answer(number: int, rater: str = "", **answer: Any) -> RecordedFeedback:
    given = {"feedback_id": f"f{number}", "session_id": "s1", "answer": answer, "rater": rater}
    return RecordedFeedback(number, Feedback.model_validate(given), 1e9)


def scalar(number: int, particle_id: str, reward: float, rater: str = "") -> RecordedFeedback:
    return an_answer(number, rater, particle_id=particle_id, reward=reward)


def test_each_answered_item_is_a_row_with_its_place_its_reward_and_its_propensity() -> None:
    history: list[HistoryRecord] = [
        a_slate(0, [1.0, 0.5]),
        a_slate(1, [0.25, 0.125]),
        scalar(1, "r0-1", 3.0),
        scalar(2, "r1-0", -1.0),
    ]

    found = bandit_feedback(history)

    assert found.keys() >= KEYS
    assert (found["n_rounds"], found["n_actions"]) == (2, 2)
    assert found["particle_id"].tolist() == ["r0-1", "r1-0"]
    assert found["action"].tolist() == [0, 1]
    assert found["position"].tolist() == [1, 0]
    assert found["reward"].tolist() == [3.0, -1.0]
    assert found["pscore"].tolist() == [0.5, 0.25]
    assert found["context"].tolist() == [[0.0], [1.0]]
    np.testing.assert_allclose(found["action_context"], [[0.1, 0.1], [1.0, 1.0]], rtol=1e-6)


def test_an_item_of_a_catalogue_is_one_action_however_often_it_is_shown() -> None:
    history = [a_slate(0, [0.5, 0.5], catalogue=True), a_slate(1, [0.5, 0.5], catalogue=True)]
    answers = [scalar(1, "r0-1", 1.0), scalar(2, "r1-1", 1.0), scalar(3, "r1-0", 0.0)]
    found = bandit_feedback([*history, *answers])
    assert (found["n_rounds"], found["n_actions"]) == (3, 2)
    assert found["action"].tolist() == [0, 0, 1]
    assert found["action_context"].shape == (2, 2)


def test_liked_is_one_and_a_correction_replaces_what_it_corrects() -> None:
    answers = [
        an_answer(1, kind="binary", particle_id="r0-0", liked=True),
        an_answer(2, kind="binary", particle_id="r0-1", liked=True),
        an_answer(3, kind="binary", particle_id="r0-1", liked=False),
    ]
    found = bandit_feedback([a_slate(0, [0.5, 0.5]), *answers])
    assert dict(zip(found["particle_id"].tolist(), found["reward"], strict=True)) == {
        "r0-0": 1.0,
        "r0-1": 0.0,
    }


@pytest.mark.parametrize(("aggregation", "reward"), [("mean", 2.0), ("max", 3.0), ("least_misery", 1.0)])
def test_the_rewards_of_several_raters_are_one_as_the_session_takes_them(
    aggregation: str, reward: float
) -> None:
    config = SessionConfig.model_validate(
        {"prior": "films", "budget": 8, "raters": ("ann", "ben"), "aggregation": aggregation}
    )
    view = SessionView(Session(session_id="s1", config=config, created_at=1.0))
    answers = [scalar(1, "r0-0", 1.0, "ann"), scalar(2, "r0-0", 3.0, "ben")]
    assert bandit_feedback([view, a_slate(0, [0.5]), *answers])["reward"].tolist() == [reward]


def test_what_has_no_reward_or_no_propensity_is_no_row() -> None:
    lost = PastSlate("lost", "s1", (PastItem("p", np.zeros((1, 2), np.float32)),))
    compared = an_answer(1, kind="pairwise", preferred="r0-0", other="r0-1")
    found = bandit_feedback([lost, a_slate(0, [0.5, 0.5]), compared, scalar(2, "p", 1.0)])
    assert (found["n_rounds"], found["n_actions"]) == (0, 0)
    assert {name: found[name].shape for name in ("context", "action", "action_context")} == {
        "context": (0, 1),
        "action": (0,),
        "action_context": (0, 0),
    }
