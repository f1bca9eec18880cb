"""The tables, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.alignment.aggregate import Results, Row, ahead, at, ratio, row
from benchmarks.alignment.bootstrap import interval
from benchmarks.alignment.cache import Cache
from benchmarks.alignment.cell import Cell
from benchmarks.alignment.grid import FLIPS
from benchmarks.alignment.methods import ABLATIONS, CHOSEN, METHODS, OURS, RANKED
from benchmarks.alignment.targets import Verdict, verdicts
from benchmarks.alignment.tasks import TASKS, task_of


def tables(results: Results, cache: Cache) -> str:
    """Everything, task by task; then what was to be reached."""
    parts = [
        part
        for task in TASKS
        for part in (
            _methods(results, cache, task),
            _places(results, task),
            _ablations(results, task),
            _routes(results, task),
        )
        if part
    ]
    return "\n\n".join([*parts, _targets(verdicts(results))])


def rows_of(results: Results, cache: Cache, task: str) -> list[Row]:
    """Of every method with cells, at the task's first rarity, with truthful answers."""
    rarity = task_of(task).rarities[0]
    found = [
        row(results, (task, rarity, 0.0), method, cache.operations(Cell(task, rarity, 0.0, 0, 0, method)))
        for method in METHODS
        if at(results, (task, rarity, 0.0), method)
    ]
    return [one for one in found if one is not None]


def _methods(results: Results, cache: Cache, task: str) -> str:
    rows = rows_of(results, cache, task)
    if not rows:
        return ""
    head = (
        "method",
        "pairs",
        "area",
        "ours ahead by",
        "last three rounds",
        "answers to 80%",
        "reach 80%",
        "modes covered",
        "rarest mode's share",
        "valid",
        "area of the valid",
        "seconds",
        "10⁹ operations",
    )
    body = [
        (
            one.method,
            str(one.pairs),
            str(one.area),
            _or_dash(one.ahead),
            str(one.last),
            _or_dash(one.answers, "{:.0f}"),
            f"{one.enough:.2f}",
            f"{one.modes_covered:.2f}",
            _or_dash(one.rarest_share, "{:.2f}"),
            f"{one.valid:.2f}",
            f"{one.valid_area:.2f}",
            f"{one.seconds:.1f}",
            _or_dash(one.operations, "{:.0f}"),
        )
        for one in rows
    ]
    return f"### {task}, rarity {task_of(task).rarities[0]:g}\n\n{markdown(head, body)}"


def _places(results: Results, task: str) -> str:
    """Area at every rarity and flip."""
    first = task_of(task).rarities[0]
    places = [(task, rarity, 0.0) for rarity in sorted(task_of(task).rarities, reverse=True)]
    places += [(task, first, flip) for flip in FLIPS[1:]]
    methods = [method for method in METHODS if any(at(results, place, method) for place in places[1:])]
    if not methods:
        return ""
    head = ("area", *(f"rarity {rarity:g}, {flip:.0%} flipped" for _, rarity, flip in places))
    body = [(method, *(_area(results, place, method) for place in places)) for method in methods]
    return markdown(head, body)


def _area(results: Results, place: tuple[str, float, float], method: str) -> str:
    cells = at(results, place, method)
    if not cells:
        return "-"
    areas = interval([taste for taste, _ in cells], np.array([figures.area for figures in cells.values()]))
    return f"{areas} ({len(cells)})"


def _ablations(results: Results, task: str) -> str:
    """One part of our default changed: area, and what the change costs on the same pairs."""
    place = (task, task_of(task).rarities[0], 0.0)
    names = [name for name in ABLATIONS if at(results, place, name)]
    if not names:
        return ""
    body = [
        (name, _area(results, place, name), _or_dash(ahead(results, place, OURS, name))) for name in names
    ]
    return markdown(("changed", "area (pairs)", "ours ahead by"), body)


def _routes(results: Results, task: str) -> str:
    """The route chosen against every round ranked, and against every round steered, by rarity."""
    body = []
    for rarity in sorted(task_of(task).rarities, reverse=True):
        place = (task, rarity, 0.0)
        cells = {method: at(results, place, method) for method in (CHOSEN, RANKED, OURS)}
        if cells[CHOSEN]:
            # Those of the third are mostly of another machine.
            of_both = (cells[CHOSEN], cells[RANKED])
            seconds = (np.mean([one.seconds for one in own.values()] or [np.nan]) for own in of_both)
            areas = (_area(results, place, method) for method in cells)
            over = (_or_dash(ratio(results, place, CHOSEN, method)) for method in (RANKED, OURS))
            body.append((f"{rarity:g}", *areas, *over, ", ".join(f"{taken:.1f}" for taken in seconds)))
    if not body:
        return ""
    head = ("rarity", CHOSEN, RANKED, OURS, "chosen / ranked", "chosen / steered", "seconds of the first two")
    return markdown(head, body)


def _targets(found: Sequence[Verdict]) -> str:
    said = {None: "", True: "met", False: "not met"}
    body = [(one.what, one.to_reach, one.found, said[one.met]) for one in found]
    return "### What was to be reached\n\n" + markdown(("what", "to reach", "found", ""), body)


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(line) + " |" for line in body)])


def _or_dash(value: object, form: str = "{}") -> str:
    return "-" if value is None else form.format(value)
