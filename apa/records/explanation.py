"""Why each item of a slate is shown, in one plain sentence."""

from __future__ import annotations

import numpy as np

from apa.records.shown import ShownItem, ShownSlate


def explain(slate: ShownSlate) -> list[str]:
    """One sentence for each item, in order: reason, place by score, prediction, propensity."""
    return [_sentence(slate, place) for place in range(len(slate.items))]


def _sentence(slate: ShownSlate, place: int) -> str:
    item = slate.items[place]
    facts = [_reason(slate, place), *_score(slate, item), *_prediction(slate, item), _propensity(item)]
    sentence = ", ".join(facts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _reason(slate: ShownSlate, place: int) -> str:
    match slate.items[place].reason:
        case "cold_start":
            return "a draw of the prior, as nothing is known yet"
        case "diverse" if place > 0:
            return f"among the highest once {_known(slate, place)}"
        case "top" | "diverse":
            return "among the highest by score"
        case "random":
            return "a uniform draw from the rest, to explore"
        case "sampled" if slate.policy == "gumbel_top_k":
            return "drawn with a chance that rises with its expected reward and its uncertainty"
        case "sampled":
            return "among the best of one draw from what the surrogate holds possible"


def _known(slate: ShownSlate, place: int) -> str:
    """What a diverse pick was kept apart from: the items above it, of which one is like it most."""
    if place == 1:
        return "item 1 counts as known"
    x = slate.items[place].x
    distances = [float(np.square(x - other.x).sum()) for other in slate.items[:place]]
    return f"the {place} items above count as known (nearest: item {int(np.argmin(distances)) + 1})"


def _score(slate: ShownSlate, item: ShownItem) -> list[str]:
    # A cold start has no scores, and an earlier release stored none.
    if not slate.policy:
        return []
    rank = 1 + sum(other.score > item.score for other in slate.items)
    return [f"score {item.score:.3g}, number {rank} of {len(slate.items)} by it"]


def _prediction(slate: ShownSlate, item: ShownItem) -> list[str]:
    if not slate.surrogate_version:
        return []
    return [f"predicted reward {item.predicted_mean:.3g} ± {item.predicted_std:.2g}"]


def _propensity(item: ShownItem) -> str:
    return "sure to be shown" if item.propensity == 1.0 else f"shown with probability {item.propensity:.3g}"
