"""The trainer's promises: what fitting together brings, how fresh surrogates are, that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.refit import fresh, killed, together
from benchmarks.report import Row, Scale, report

PARTS: tuple[Callable[[Scale], list[Row]], ...] = (together.measure, fresh.measure, killed.measure)


def measure(scale: Scale) -> list[Row]:
    return [row for part in PARTS for row in part(scale)]


def run(scale: Scale, path: Path | None) -> None:
    """Measures every part, prints the table, and writes it as JSON if asked."""
    report("refit", measure, scale, path)
