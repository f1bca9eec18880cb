"""What our default has to reach, judged by the cells that are there; with too few of them, said so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.alignment.aggregate import Results, ahead, at, ratio
from benchmarks.alignment.bootstrap import Interval, interval
from benchmarks.alignment.figures import LAST, Floats, answers_to
from benchmarks.alignment.grid import NUM_SEEDS
from benchmarks.alignment.methods import ALGORITHM_1, AS_PRINTED, CHOSEN, METHODS, OURS, RANKED
from benchmarks.alignment.tasks import TASKS, task_of

FEWEST_PAIRS = 30
NOT_ENOUGH = "not enough cells"
HALF = "ours, half the evaluations"


@dataclass(frozen=True)
class Verdict:
    """One row: what, to reach, what was found, and whether that is met; None where it cannot be told."""

    what: str
    to_reach: str
    found: str
    met: bool | None


def verdicts(results: Results) -> list[Verdict]:
    """Of every row that cells can judge."""
    return [
        *(answers_verdict(results, task, ALGORITHM_1) for task in TASKS),
        answers_verdict(results, "fashion", AS_PRINTED),
        area_verdict(results),
        *(modes_verdict(results, task) for task in TASKS),
        *(interval_verdict(results, task) for task in TASKS),
        route_verdict(results),
    ]


def answers_verdict(results: Results, task: str, reading: str) -> Verdict:
    """Answers that we need to reach what Algorithm 1 reaches with its whole budget, as a share of it."""
    share = 0.25 if task == "fashion" else 0.5
    what, to_reach = f"answers to reach the end of {reading}, {task}", f"at most {share:g} of the budget"
    place = (task, task_of(task).rarities[0], 0.0)
    ours, paper = at(results, place, OURS), at(results, place, reading)
    both = [pair for pair in ours if pair in paper]
    if len(both) < FEWEST_PAIRS:
        return Verdict(what, to_reach, NOT_ENOUGH, None)
    spent = ours[both[0]].spent
    curves = np.stack([np.stack([ours[pair].curve, paper[pair].curve]) for pair in both])
    found = interval([taste for taste, _ in both], curves, lambda drawn: _share_needed(drawn, spent))
    return Verdict(what, to_reach, str(found), found.value <= share)


def _share_needed(curves: Floats, spent: Floats) -> float:
    """curves: (pairs, 2, rounds), ours and the paper's; 1 where ours never gets there."""
    ours, paper = curves.mean(axis=0)
    needed = answers_to(float(paper[-LAST:].mean()), spent, ours)
    return 1.0 if needed is None else needed / float(spent[-1])


def area_verdict(results: Results) -> Verdict:
    """Against the best other method of each task: above it in three, never below 0.95 of it."""
    what, to_reach = "area against the best other method", "above in 3 of 5 tasks, never below 0.95"
    said, above, lowest = [], 0, np.inf
    for task in TASKS:
        against = _best_other(results, task)
        if against is None:
            return Verdict(what, to_reach, NOT_ENOUGH, None)
        method, gap, ratio = against
        above += gap.low > 0.0
        lowest = min(lowest, ratio)
        said.append(f"{task}: {ratio:.2f} of {method}, {gap} ahead")
    return Verdict(what, to_reach, "; ".join(said), above >= 3 and lowest >= 0.95)


def _best_other(results: Results, task: str) -> tuple[str, Interval, float] | None:
    """The method that comes nearest to ours or furthest beyond it, on the pairs that both have."""
    place = (task, task_of(task).rarities[0], 0.0)
    ours = at(results, place, OURS)
    if len(ours) < FEWEST_PAIRS or len(at(results, place, ALGORITHM_1)) < FEWEST_PAIRS:
        return None
    ratios = {}
    for method in METHODS:
        theirs = at(results, place, method)
        both = [pair for pair in ours if pair in theirs]
        if method != OURS and len(both) >= NUM_SEEDS:
            area = float(np.mean([theirs[pair].area for pair in both]))
            ratios[method] = float(np.mean([ours[pair].area for pair in both])) / max(area, 1e-9)
    best = min(ratios, key=lambda method: ratios[method])
    gap = ahead(results, place, OURS, best)
    assert gap is not None, "both have cells of the same pairs"
    return best, gap, ratios[best]


def modes_verdict(results: Results, task: str) -> Verdict:
    """Tastes of two modes: the rarer's share of the last slates."""
    what = f"two modes, {task}"
    to_reach = "the rarer at least a quarter of the last three slates, in 9 of 10"
    place = (task, task_of(task).rarities[0], 0.0)
    cells = [
        figures.rarest_share
        for figures in at(results, place, OURS).values()
        if figures.rarest_share is not None and figures.num_modes == 2
    ]
    if not cells:
        return Verdict(what, to_reach, NOT_ENOUGH, None)
    share = float(np.mean([rarest >= 0.25 for rarest in cells]))
    found = f"in {share:.2f} of {len(cells)} cells; mean share {np.mean(cells):.2f}"
    return Verdict(what, to_reach, found, share >= 0.9 if len(cells) >= NUM_SEEDS else None)


def interval_verdict(results: Results, task: str) -> Verdict:
    """Half of the surrogate evaluations by an active interval."""
    what, to_reach = f"half the evaluations, {task}", "at least 0.98 of the area"
    place = (task, task_of(task).rarities[0], 0.0)
    ours, half = at(results, place, OURS), at(results, place, HALF)
    both = [pair for pair in ours if pair in half]
    if len(both) < NUM_SEEDS:
        return Verdict(what, to_reach, NOT_ENOUGH, None)
    found = ratio(results, place, HALF, OURS)
    assert found is not None, "both have cells of the same pairs"
    return Verdict(what, to_reach, str(found), found.value >= 0.98)


def route_verdict(results: Results) -> Verdict:
    """The route chosen against every round ranked, at equal seconds, task by task and rarity by rarity."""
    what = "area of the route chosen over that of ranking alone"
    to_reach = "never below 0.97; at rarities of 1e-3 and below at least 1.5"
    said, met = [], []
    for task in TASKS:
        for rarity in sorted(task_of(task).rarities, reverse=True):
            found = ratio(results, (task, rarity, 0.0), CHOSEN, RANKED)
            if found is not None:
                said.append(f"{task} {rarity:g}: {found}")
                met.append(found.value >= (1.5 if rarity <= 1e-3 else 0.97))
    return Verdict(what, to_reach, "; ".join(said) or NOT_ENOUGH, all(met) if met else None)
