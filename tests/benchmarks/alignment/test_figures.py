"""The arithmetic of one cell, of intervals, and of what is to be reached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.alignment.aggregate import ahead, row
from benchmarks.alignment.bootstrap import interval
from benchmarks.alignment.cell import Cell
from benchmarks.alignment.figures import Figures, answers_to, figures_of
from benchmarks.alignment.methods import ALGORITHM_1, CHOSEN, OURS, RANKED
from benchmarks.alignment.targets import (
    NOT_ENOUGH,
    answers_verdict,
    area_verdict,
    interval_verdict,
    route_verdict,
)
from benchmarks.alignment.tasks import TASKS, task_of


def _result(
    rewards: list[list[float]], modes: list[list[int]] | None = None, num_modes: int = 1
) -> dict[str, Any]:
    spent = np.cumsum([len(each) for each in rewards]).tolist()
    modes = modes or [[0] * len(each) for each in rewards]
    rounds = [
        {"spent": s, "rewards": r, "modes": m, "valid": [0.0, 1.0] * (len(r) // 2), "seconds": 2.0}
        for s, r, m in zip(spent, rewards, modes, strict=True)
    ]
    return {"rounds": rounds, "num_modes": num_modes, "attainable": 0.8}


def _cell(method: str, place: int, task: str = "four-optima", rarity: float = 0.1) -> Cell:
    return Cell(task, rarity, 0.0, 1000 + place, place % 10, method)


_FIRST = [(task, task_of(task).rarities[0]) for task in TASKS]


def _figures(curve: list[float]) -> Figures:
    return figures_of(_result([[0.8 * value] * 8 for value in curve]))


def test_a_cell_s_figures_are_shares_of_what_is_attainable() -> None:
    figures = figures_of(_result([[0.0, 0.4], [0.8, 0.8], [0.8, 0.8]]))

    assert figures.curve.tolist() == pytest.approx([0.25, 1.0, 1.0])
    assert figures.spent.tolist() == [2.0, 4.0, 6.0]
    assert figures.area == pytest.approx(0.75)
    assert figures.last == pytest.approx(0.75)
    assert figures.answers_to_enough == 2.0
    assert (figures.valid, figures.seconds) == (0.5, 6.0)
    # Of each slate the second: 0.5, 1, 1 of what is attainable.
    assert figures.valid_area == pytest.approx(2.5 / 6)


def test_short_slates_are_aligned_by_answers() -> None:
    figures = figures_of(_result([[0.8] * 4, [0.8] * 2, [0.0] * 2]))

    assert figures.spent.tolist() == [4.0, 8.0]
    assert figures.curve.tolist() == pytest.approx([1.0, 0.5])

    short_at_first = figures_of(_result([[0.8] * 2, [0.8] * 4, [0.0] * 2]))
    assert short_at_first.spent.tolist() == [4.0, 8.0]


def test_only_liked_items_of_the_last_three_rounds_cover_a_mode() -> None:
    rewards = [[0.9, 0.9], [0.9, 0.9], [0.9, 0.1], [0.9, 0.9]]
    figures = figures_of(_result(rewards, [[1, 1], [0, 0], [0, 1], [0, 2]], num_modes=3))

    assert figures.modes_covered == pytest.approx(2 / 3)
    assert figures.rarest_share == 0.0


@pytest.mark.parametrize(("level", "expected"), [(0.1, 0.0), (0.5, 8.0), (0.95, 16.0), (1.1, None)])
def test_a_level_is_reached_by_two_slates_in_a_row(level: float, expected: float | None) -> None:
    curve = np.array([0.1, 0.2, 1.0])
    assert answers_to(level, np.array([8.0, 16.0, 24.0]), curve) == expected


def test_an_interval_covers_the_mean_of_its_tastes_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        values = generator.normal(size=30)
        found = interval(range(30), values, repeats=300)
        covered += found.low <= 0.0 <= found.high

    # 95%, a little less by the percentiles of 30: standard error 0.016.
    assert 0.87 <= covered / 200 <= 0.99


def test_seeds_of_one_taste_are_no_thirty_tastes() -> None:
    values = np.repeat(np.random.default_rng(2).normal(size=5), 6)

    apart, together = interval(range(30), values), interval(np.repeat(range(5), 6).tolist(), values)

    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_a_row_compares_pair_by_pair() -> None:
    results = {_cell(OURS, place): _figures([0.1 * place, 0.6]) for place in range(4)}
    results |= {_cell("prior only", place): _figures([0.1 * place, 0.2]) for place in range(1, 4)}
    place = ("four-optima", 0.1, 0.0)

    gap = ahead(results, place, OURS, "prior only")
    found = row(results, place, "prior only", operations=2e9)

    assert gap is not None
    assert gap == pytest.approx((0.2, 0.2, 0.2))
    assert found is not None
    assert (found.pairs, found.operations, found.answers, found.enough) == (3, 2.0, None, 0.0)
    assert row(results, place, "qLogEI") is None


def test_answers_are_judged_on_mean_curves_and_only_by_enough_cells() -> None:
    ours = {_cell(OURS, place): _figures([0.1, 0.9, 0.9, 0.9]) for place in range(30)}
    paper = {_cell(ALGORITHM_1, place): _figures([0.1, 0.4, 0.4, 0.4]) for place in range(30)}

    verdict = answers_verdict(ours | paper, "four-optima", ALGORITHM_1)
    few = answers_verdict(dict(list((ours | paper).items())[:40]), "four-optima", ALGORITHM_1)

    # The first two slates have 0.5 on average, so that nothing has to be answered before them.
    assert (verdict.met, verdict.found) == (True, "0.00 [0.00, 0.00]")
    assert (few.met, few.found) == (None, NOT_ENOUGH)


def test_without_every_task_the_area_is_not_judged() -> None:
    results = {_cell(OURS, place): _figures([0.5]) for place in range(30)}

    assert area_verdict(results).found == NOT_ENOUGH


def test_the_area_is_judged_against_whoever_comes_nearest_on_the_same_pairs() -> None:
    results = {
        _cell(OURS, place, task, first): _figures([0.5]) for task, first in _FIRST for place in range(30)
    }
    results |= {
        _cell(ALGORITHM_1, place, task, first): _figures([0.2])
        for task, first in _FIRST
        for place in range(30)
    }
    near = {
        _cell("qLogEI", place, task, first): _figures([0.51]) for task, first in _FIRST for place in range(10)
    }
    far = {
        _cell("qLogEI", place, task, first): _figures([0.6])
        for task, first in _FIRST[:1]
        for place in range(10)
    }

    assert area_verdict(results).met is True
    assert area_verdict(results | near).met is False, "nowhere above"
    assert "0.83 of qLogEI" in area_verdict(results | far).found
    assert area_verdict(results | far).met is False, "below 0.95 of it in one"


def test_half_the_evaluations_may_lose_a_fiftieth() -> None:
    half = "ours, half the evaluations"
    results = {_cell(OURS, place): _figures([0.5, 0.5]) for place in range(10)}
    kept = results | {_cell(half, place): _figures([0.5, 0.49]) for place in range(10)}
    lost = results | {_cell(half, place): _figures([0.5, 0.45]) for place in range(10)}

    assert interval_verdict(kept, "four-optima").met is True
    assert interval_verdict(lost, "four-optima").met is False


def test_the_route_chosen_is_judged_at_every_rarity_and_harder_where_tastes_are_rare() -> None:
    def results(common: float, rare: float) -> dict[Cell, Figures]:
        areas = {(CHOSEN, 0.1): common, (RANKED, 0.1): 0.4, (CHOSEN, 1e-3): rare, (RANKED, 1e-3): 0.2}
        return {
            _cell(method, place, rarity=rarity): _figures([area])
            for (method, rarity), area in areas.items()
            for place in range(10)
        }

    assert route_verdict(results(0.39, 0.31)).met is True
    assert route_verdict(results(0.38, 0.31)).met is False, "below 0.97 of ranking"
    assert route_verdict(results(0.39, 0.29)).met is False, "less than 1.5 times where it is rare"
    assert route_verdict({}).found == NOT_ENOUGH


def test_another_route_of_ours_is_nobody_else_s_method() -> None:
    results = {
        _cell(method, place, task, first): _figures([area])
        for method, area in ((OURS, 0.5), (ALGORITHM_1, 0.2), (CHOSEN, 0.6), (RANKED, 0.6))
        for task, first in _FIRST
        for place in range(30)
    }

    assert area_verdict(results).met is True
