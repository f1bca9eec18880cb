"""The engine's promises: what sharing a batch costs, and what it brings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.engine import arrivals, batching, peers, reloads, served, tenants
from benchmarks.report import Row, Scale, report

PARTS: tuple[Callable[[Scale], list[Row]], ...] = (
    batching.measure,
    reloads.measure,
    tenants.measure,
    served.measure,
    arrivals.measure,
    peers.measure,
)


def measure(scale: Scale) -> list[Row]:
    return [row for part in PARTS for row in part(scale)]


def run(scale: Scale, path: Path | None) -> None:
    """Measures every part, prints the table, and writes it as JSON if asked."""
    report("engine", measure, scale, path)
