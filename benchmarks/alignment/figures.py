"""Figures of one cell, all from what its slates were truly worth; rewards as shares of the attainable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LAST = 3
"""Rounds at the end that say where a session has come."""
ENOUGH = 0.8
"""Of the attainable."""
LIKED = 0.5


@dataclass(frozen=True)
class Figures:
    """Of one cell.

    Attributes:
        spent: (rounds,), answers given when each round was over, had every slate been whole.
        curve: (rounds,), mean reward over the attainable of what was shown for these answers.
        area: under that curve: mean over all items shown.
        answers_to_enough: answers given before the first slate from which on two in a row have ENOUGH on
            average; None where none.
        last: mean of the last rounds.
        modes_covered: share of the taste's modes of which the last rounds show a liked item.
        rarest_share: of the items of the last rounds, liked ones of the least shown mode; None for one mode.
        valid: share of the items that the prior holds for its own.
        valid_area: the area where an item that it does not is worth nothing.
        seconds: of one core.
    """

    spent: Floats
    curve: Floats
    area: float
    answers_to_enough: float | None
    last: float
    modes_covered: float
    rarest_share: float | None
    num_modes: int
    valid: float
    valid_area: float
    seconds: float


def figures_of(result: dict[str, Any]) -> Figures:
    rounds = result["rounds"]
    rewards = np.concatenate([each["rewards"] for each in rounds]) / max(result["attainable"], 1e-9)
    valid = np.concatenate([each["valid"] for each in rounds])
    # Also a first slate may be short of distinct items.
    k, budget = max(len(each["rewards"]) for each in rounds), rounds[-1]["spent"]
    # A slate with fewer distinct items asks less: rounds of different cells are aligned by answers.
    spent = np.minimum(np.arange(k, budget + k, k), budget).astype(np.float64)
    curve = np.array([rewards[start : start + k].mean() for start in range(0, len(rewards), k)])
    covered, rarest = _modes(rounds[-LAST:], result["num_modes"])
    return Figures(
        spent=spent,
        curve=curve,
        area=float(rewards.mean()),
        answers_to_enough=answers_to(ENOUGH, spent, curve),
        last=float(curve[-LAST:].mean()),
        modes_covered=covered,
        rarest_share=rarest,
        num_modes=result["num_modes"],
        valid=float(valid.mean()),
        valid_area=float((rewards * valid).mean()),
        seconds=float(sum(each["seconds"] for each in rounds)),
    )


def answers_to(level: float, spent: Floats, curve: Floats) -> float | None:
    """Answers given before the first of two slates in a row (at the end, of the last) that reach a level."""
    before = np.concatenate([[0.0], spent[:-1]])
    smooth = np.array([curve[i : i + 2].mean() for i in range(len(curve))])
    reached = np.flatnonzero(smooth >= level)
    return float(before[reached[0]]) if len(reached) else None


def _modes(rounds: Sequence[dict[str, Any]], num_modes: int) -> tuple[float, float | None]:
    liked = [
        mode
        for each in rounds
        for mode, reward in zip(each["modes"], each["rewards"], strict=True)
        if reward > LIKED
    ]
    counts = np.array([liked.count(mode) for mode in range(num_modes)])
    rarest = (
        None if num_modes == 1 else float(counts.min() / max(1, sum(len(each["modes"]) for each in rounds)))
    )
    return float((counts > 0).mean()), rarest
