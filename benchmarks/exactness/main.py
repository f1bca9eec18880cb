"""`python -m benchmarks exactness`: the grid of targets, methods and evaluations, and the learned priors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.exactness.cases import Case, cases
from benchmarks.exactness.learned import report as learned_report
from benchmarks.exactness.learned.main import learned_cells
from benchmarks.exactness.measure import measure
from benchmarks.exactness.methods import METHODS, OURS
from benchmarks.exactness.report import HEADER, line, summary
from benchmarks.report import Scale, begin, end, write

PEER_SEEDS, OWN_SEEDS, QUICK_SEEDS = 20, 50, 10
SMALL_POPULATIONS = (16, 64, 256)


def run(scale: Scale, path: Path | None) -> None:
    """Prints the tables as they grow, and writes them as JSON if asked."""
    circumstances = begin(scale)
    document: dict[str, Any] = {}
    if scale.only != "learned":
        document |= _closed(scale)
    if scale.only != "closed":
        document |= _learned(scale)
    end(circumstances)
    write(path, circumstances | document)


def _closed(scale: Scale) -> dict[str, Any]:
    print(HEADER, flush=True)
    cells = []
    for case, method, num_particles, evaluations, seeds in _quick() if scale.quick else _grid():
        cells.append(measure(case, method, METHODS[method], num_particles, evaluations, seeds))
        print(line(cells[-1]), flush=True)
    print(summary(cells))
    return {"cells": [asdict(cell) for cell in cells], "summary": summary(cells)}


def _learned(scale: Scale) -> dict[str, Any]:
    print(learned_report.HEADER, flush=True)
    cells = []
    for cell in learned_cells(scale):
        cells.append(cell)
        print(learned_report.line(cell), flush=True)
    summed_up = learned_report.summary(cells)
    print(summed_up)
    return {"learned_cells": [asdict(cell) for cell in cells], "learned_summary": summed_up}


_Wanted = tuple[Case, str, int, int, int]


def _quick() -> Iterator[_Wanted]:
    for case in cases((2, 16)):
        for method in (OURS, "fkc euler"):
            yield case, method, 1000, 50, QUICK_SEEDS


def _grid() -> Iterator[_Wanted]:
    """N = 1000 with every method; small N, and more dimensions, with ours alone."""
    for case in cases((2, 8, 16)):
        for evaluations in (25, 50, 100):
            for method in METHODS:
                yield case, method, 1000, evaluations, OWN_SEEDS if method == OURS else PEER_SEEDS
    for case in cases((64, 256)):
        for evaluations in (50, 100):
            yield case, OURS, 1000, evaluations, PEER_SEEDS
    for case in cases((2, 16)):
        for num_particles in SMALL_POPULATIONS:
            yield case, OURS, num_particles, 100, 4 * OWN_SEEDS
