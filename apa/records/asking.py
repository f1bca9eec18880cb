"""How many answers a slate asks for, and how many particles it takes to ask for so many."""

from __future__ import annotations

import math

from apa.records.session import SessionConfig


def answers_to(config: SessionConfig, num_shown: int) -> int:
    """What a slate of so many particles asks, in units of the budget, of all raters together."""
    match config.feedback_kind:
        case "pairwise":
            each = num_shown // 2
        case "ranking":
            each = max(0, num_shown - 1)
        case _:
            each = num_shown
    return each * max(1, len(config.raters))


def shown_for(config: SessionConfig, answers: int) -> int:
    """k; fewer where what is left of the budget asks about fewer. k again where nothing is asked at all."""
    k = config.particles_per_round
    if not 0 < answers < answers_to(config, k):
        return k
    each = math.ceil(answers / max(1, len(config.raters)))
    match config.feedback_kind:
        case "pairwise":
            return 2 * each
        case "ranking":
            return each + 1
        case _:
            return each


def total_rounds(config: SessionConfig) -> int:
    """Slates that the budget pays for; the last may ask less than the others."""
    return math.ceil(config.budget / answers_to(config, config.particles_per_round))
