"""A session's history as logged bandit feedback, for evaluating other policies offline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from apa.records.aggregation import TOGETHER
from apa.records.feedback import Answer
from apa.records.history import HistoryRecord, PastItem, PastSlate, RecordedFeedback
from apa.records.session import AggregationName
from apa.records.shown import SessionView


def bandit_feedback(history: Iterable[HistoryRecord]) -> dict[str, Any]:
    """What the Open Bandit Pipeline calls bandit feedback: a row for each shown item that has a reward.

    Rewards are numbers, or 1 and 0 for liked and not; of several raters, together as the session takes them.
    What was compared or ranked has none. A row needs its propensity and its vector: slates of which only
    answered particles are left give none.

    Returns:
        n_rounds, n_actions: M rows, A actions: distinct catalogue items; particles without a catalogue.
        context: (M, 1), the round.
        action: (M,), which of the A.
        position: (M,), place in the slate, from 0.
        reward: (M,).
        pscore: (M,), probability that the policy put it into the slate, given the run's population.
        action_context: (A, D), the items' vectors.
        particle_id: (M,), beside what the pipeline reads.

        https://zr-obp.readthedocs.io, `obp.dataset.OpenBanditDataset.obtain_batch_bandit_feedback`.
    """
    places: dict[str, tuple[PastSlate, int]] = {}
    answers: dict[str, RecordedFeedback] = {}
    aggregation: AggregationName = "mean"
    for record in history:
        match record:
            case SessionView():
                aggregation = record.config.aggregation
            case PastSlate():
                places |= {item.particle_id: (record, place) for place, item in enumerate(record.items)}
            case RecordedFeedback():
                # The last of a subject holds: a correction, or an answer after its default reward.
                answers[record.feedback.subject] = record
    return _rows(places, _rewards(answers.values(), aggregation))


def _rewards(answers: Iterable[RecordedFeedback], aggregation: AggregationName) -> dict[str, float]:
    """One for each particle."""
    given: dict[str, list[float]] = {}
    for one in answers:
        answer = one.feedback.answer
        reward = _reward(answer)
        if reward is not None:
            given.setdefault(answer.particle_ids[0], []).append(reward)
    return {particle_id: TOGETHER[aggregation](rewards) for particle_id, rewards in given.items()}


def _reward(answer: Answer) -> float | None:
    match answer.kind:
        case "scalar":
            return answer.reward
        case "binary":
            return float(answer.liked)
        case _:
            return None


def _rows(places: dict[str, tuple[PastSlate, int]], rewards: dict[str, float]) -> dict[str, Any]:
    shown = [
        (*places[particle_id], reward) for particle_id, reward in rewards.items() if particle_id in places
    ]
    rows = [row for row in shown if _is_whole(row[0].items[row[1]])]
    items = [slate.items[place] for slate, place, _ in rows]
    vectors = {_action(item): np.ravel(item.x) for item in items if item.x is not None}
    actions = {name: action for action, name in enumerate(vectors)}
    return {
        "n_rounds": len(rows),
        "n_actions": len(actions),
        "context": np.array([[slate.round_index] for slate, _, _ in rows], np.float64).reshape(-1, 1),
        "action": np.array([actions[_action(item)] for item in items], np.int64),
        "position": np.array([place for _, place, _ in rows], np.int64),
        "reward": np.array([reward for _, _, reward in rows], np.float64),
        "pscore": np.array([item.propensity for item in items], np.float64),
        "action_context": np.array(list(vectors.values()), np.float64).reshape(
            len(vectors), -1 if rows else 0
        ),
        "particle_id": np.array([item.particle_id for item in items], np.str_),
    }


def _is_whole(item: PastItem) -> bool:
    return item.propensity > 0.0 and item.x is not None


def _action(item: PastItem) -> str:
    return item.item_id or item.stored_draw or item.particle_id
