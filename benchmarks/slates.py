"""Routes over gRPC: milliseconds of a slate, from the call to its last event, one caller at a time."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apa.client import Client
from apa.errors import Unavailable
from apa.records.sampling import RouteName
from benchmarks.report import Row, Scale, report, row
from benchmarks.serving import UNUSED, learnt, sampler_in

PRIORS = ("fashion", "films")
POOL_SIZE = 4096
SLATES_OF_A_SESSION = 100
"""Of eight items: more would use up the pool."""
READY_S = 600.0


def run(scale: Scale, json_path: Path | None) -> None:
    report("slates", measure, scale, json_path)


def measure(scale: Scale) -> list[Row]:
    """`rank` against its target, the other routes beside it."""
    settings = {"APA_SAMPLER_POOL_SIZE": str(POOL_SIZE)}
    with (
        tempfile.TemporaryDirectory() as folder,
        sampler_in(Path(folder), settings) as (address, url),
        Client(sampler=address, feedback=UNUSED) as apa,
    ):
        return [one for name in PRIORS for one in _of_prior(apa, url, name, scale)]


def _of_prior(apa: Client, url: str, name: str, scale: Scale) -> list[Row]:
    what = f"milliseconds of a slate of {name} over gRPC"
    drawn_s = _drawn(apa, learnt(url, name, "gp", f"{name}-first"))
    groups = []
    for group in range(scale.pick(5, 2)):
        session = learnt(url, name, "gp", f"{name}-rank-{group}")
        groups.append(_milliseconds(apa, session, "rank", scale.pick(SLATES_OF_A_SESSION, 20)))
    others = {
        route: _milliseconds(apa, learnt(url, name, "gp", f"{name}-{route}"), route, scale.pick(20, 4))
        for route in ("pool_start", "steer")
    }
    tails = [float(np.quantile(group, 0.99)) for group in groups]
    stored = f"{POOL_SIZE} stored draws"
    return [
        row(f"{what}, rank: 99th percentile", tails, 20.0, "most", stored),
        row(f"{what}, rank: median", [statistics.median(group) for group in groups]),
        *(row(f"{what}, {route}", taken) for route, taken in others.items()),
        row(f"seconds until the first ranked slate of {name}", [drawn_s]),
    ]


def _milliseconds(apa: Client, session: str, route: RouteName, count: int) -> Sequence[float]:
    _slate(apa, session, route)
    return [_slate(apa, session, route) for _ in range(count)]


def _slate(apa: Client, session: str, route: RouteName) -> float:
    began = time.perf_counter()
    result = apa.sample(session, sampling={"route": route})
    taken = 1e3 * (time.perf_counter() - began)
    assert result.slate is not None
    assert result.slate.items, "a slate has items"
    return taken


def _drawn(apa: Client, session: str) -> float:
    """Seconds until the stored draws are there, which begin when they are first asked for."""
    began = time.perf_counter()
    while True:
        try:
            apa.sample(session, sampling={"route": "rank"})
            return time.perf_counter() - began
        except Unavailable:
            if time.perf_counter() - began > READY_S:
                raise
