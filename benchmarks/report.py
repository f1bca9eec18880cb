"""Rows of a benchmark: ratios with their spread, the machine they were taken on, a table and JSON."""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch


@dataclass(frozen=True)
class Scale:
    """How much to measure.

    Attributes:
        threads: of one tensor operation.
        only: of `exactness`, the one half that is wanted; both when None.
        draws: of a learned prior, at most; as many as the benchmark asks for when None.
        cache: where those draws are kept; the benchmark's own folder when None.
        samplers: of `routes`, others to run beside the routes, as `package.module:name` or by name.
    """

    quick: bool = False
    threads: int = 1
    only: Literal["closed", "learned"] | None = None
    draws: int | None = None
    cache: Path | None = None
    samplers: tuple[str, ...] = ()

    def pick(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
        value: the median of the repeats.
        low, high: the quartiles of the repeats.
        bound: what it should reach; None where it is only reported.
        sense: whether `bound` is a least or a most.
    """

    what: str
    value: float
    low: float
    high: float
    repeats: int
    bound: float | None = None
    sense: Literal["least", "most"] = "least"
    note: str = ""

    @property
    def reached(self) -> bool | None:
        if self.bound is None:
            return None
        return self.value >= self.bound if self.sense == "least" else self.value <= self.bound


def row(
    what: str,
    values: Sequence[float],
    bound: float | None = None,
    sense: Literal["least", "most"] = "least",
    note: str = "",
) -> Row:
    """The median and the quartiles of repeats."""
    ordered = sorted(values)
    low, _, high = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else ordered * 3
    return Row(what, statistics.median(ordered), low, high, len(ordered), bound, sense, note)


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


def ratios(
    numerator: Callable[[], object],
    denominator: Callable[[], object],
    repeats: int,
    times: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Time of one over time of the other, in turns and in changing order, so that both see the same machine.

    Args:
        times: calls in one timing.
        clock: seconds; `time.process_time` for what computes in one thread beside other work.
    """
    found = []
    numerator(), denominator()
    for repeat in range(repeats):
        taken = {}
        for work in (numerator, denominator) if repeat % 2 else (denominator, numerator):
            taken[work] = seconds(lambda work=work: [work() for _ in range(times)], clock)  # type: ignore[misc]
        found.append(taken[numerator] / taken[denominator])
    return found


def report(name: str, measure: Callable[[Scale], list[Row]], scale: Scale, path: Path | None) -> None:
    """Measures, prints the table, and writes it as JSON if asked."""
    circumstances = begin(scale)
    rows = measure(scale)
    end(circumstances)
    print(table(rows))
    write(
        path, circumstances | {"rows": [asdict(one) | {"reached": one.reached} for one in rows], "name": name}
    )


def begin(scale: Scale) -> dict[str, Any]:
    """Sets the threads; what a reader has to know of the machine and the command."""
    torch.set_num_threads(scale.threads)
    return {
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": scale.threads,
        "torch": torch.__version__,
        "load_average_before": os.getloadavg(),
    }


def end(circumstances: dict[str, Any]) -> None:
    """Adds the load of the machine at the end, and prints them all."""
    circumstances["load_average_after"] = os.getloadavg()
    for key, value in circumstances.items():
        print(f"{key}: {value}")


def write(path: Path | None, document: dict[str, Any]) -> None:
    """As JSON, where a file is asked for."""
    if path is not None:
        path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    lines = ["| what | to reach | median | quartiles | repeats | |", "|---|---|---|---|---|---|"]
    for one in rows:
        to_reach = "reported" if one.bound is None else f"at {one.sense} {one.bound:g}"
        verdict = {None: "", True: "met", False: "not met"}[one.reached]
        what = f"{one.what} ({one.note})" if one.note else one.what
        spread = f"{one.low:.3g} to {one.high:.3g}"
        lines.append(f"| {what} | {to_reach} | {one.value:.3g} | {spread} | {one.repeats} | {verdict} |")
    return "\n".join(lines)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
