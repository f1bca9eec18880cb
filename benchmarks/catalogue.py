"""What live catalogues promise: quick scores, and a hundred thousand changes that no run minds.

A sampler, a Redis and the writer of the changes are processes of their own; callers are here.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apa.client import AsyncClient, CatalogueEntry, Client, Progress
from apa.errors import ApaError
from apa.priors.catalogue import Catalogue
from apa.records.session import SurrogateFamily
from benchmarks.engine.users import prior
from benchmarks.report import Row, Scale, report, row
from benchmarks.serving import UNUSED, learnt, sampler_in

PRIOR = "films"
CANDIDATES = 1000
FAMILIES: tuple[SurrogateFamily, ...] = ("gp", "linear")
CALLERS, NUM_PARTICLES, NUM_STEPS = 16, 32, 100


def run(scale: Scale, path: Path | None) -> None:
    """Measures both, prints the table, and writes it as JSON if asked."""
    report("catalogue", measure, scale, path)


def measure(scale: Scale) -> list[Row]:
    films = prior(PRIOR).catalogue
    assert films is not None
    with tempfile.TemporaryDirectory() as folder, sampler_in(Path(folder)) as (address, redis_url):
        sessions = {family: learnt(redis_url, PRIOR, family, family) for family in FAMILIES}
        with Client(sampler=address, feedback=UNUSED) as apa:
            rows = [one for session in sessions.items() for one in _scores(apa, *session, films, scale)]
        return rows + _changes(address, films, scale)


def _scores(apa: Client, family: SurrogateFamily, session: str, films: Catalogue, scale: Scale) -> list[Row]:
    """Milliseconds of a call, of random candidates; the first calls, which ask the denoiser, apart."""
    rng = np.random.default_rng(0)
    ids = np.array(list(films.positions))

    def call() -> float:
        candidates = rng.choice(ids, CANDIDATES, replace=False).tolist()
        began = time.perf_counter()
        apa.score(session, candidates)
        return 1e3 * (time.perf_counter() - began)

    first = [call() for _ in range(20)]
    calls = scale.pick(500, 100)
    groups = [[call() for _ in range(calls)] for _ in range(scale.pick(7, 2))]
    what = f"milliseconds of Score of {CANDIDATES:,} {PRIOR} over gRPC, {family}"
    tails = [float(np.quantile(group, 0.99)) for group in groups]
    return [
        row(f"{what}: 99th percentile", tails, 20.0, "most", f"of {calls} calls"),
        row(f"{what}: median", [statistics.median(group) for group in groups]),
        row(f"{what}: first calls", first),
    ]


@dataclass
class _Watched:
    """Of all callers: seconds between two steps of a run, and runs that failed."""

    intervals: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def stall(self) -> float:
        """The longest, in medians."""
        return max(self.intervals) / statistics.median(self.intervals)


def _changes(address: str, films: Catalogue, scale: Scale) -> list[Row]:
    count = scale.pick(100_000, 5_000)
    # To look through all that a caller here has imported takes 0.3 s, which would be told as a stall.
    gc.collect()
    gc.freeze()
    with_changes, without, took, seen = [], [], [], []
    for turn in range(scale.pick(5, 2)):
        quiet, _ = asyncio.run(_while_sampling(address, None))
        busy, (wrote_s, served_s) = asyncio.run(
            _while_sampling(address, _Writing(address, count, turn, len(films)))
        )
        without.append(quiet)
        with_changes.append(busy)
        took.append(wrote_s)
        seen.append(served_s)
    what = f"{count:,} items upserted while {CALLERS} runs sample"
    failed = [float(one.failed) for one in with_changes]
    return [
        row(f"{what}: failed runs", failed, 0.0, "most"),
        row(f"{what}: longest step over the median step", [one.stall for one in with_changes], 2.0, "most"),
        row("the same without changes", [one.stall for one in without]),
        row(f"{what}: seconds to write them", took),
        row(f"{what}: seconds from then until all are served", seen),
    ]


@dataclass(frozen=True)
class _Writing:
    """Upserts items of other vectors each turn, from a process of its own."""

    address: str
    count: int
    turn: int
    num_films: int

    def write(self) -> None:
        vectors = self._vectors()
        entries = [CatalogueEntry(f"new{n}", f"New {n}", vector) for n, vector in enumerate(vectors)]
        with Client(sampler=self.address, feedback=UNUSED) as apa:
            apa.upsert_items(PRIOR, entries, timeout_s=600.0)
            # Last of all, so that its being served says that all are.
            apa.upsert_items(PRIOR, [CatalogueEntry(f"last{self.turn}", "Last", vectors[0])])

    @property
    def num_items(self) -> int:
        """Of the catalogue, once this turn is served."""
        return self.num_films + self.count + self.turn + 1

    def _vectors(self) -> NDArray[np.float32]:
        films = prior(PRIOR)
        drawn = np.random.default_rng(self.turn).normal(size=(self.count, *films.data_shape))
        return drawn.astype(np.float32)


async def _while_sampling(address: str, writing: _Writing | None) -> tuple[_Watched, tuple[float, float]]:
    """What the callers saw meanwhile, and seconds of the writing and from then until all is served."""
    watched, stop = _Watched(), asyncio.Event()
    async with AsyncClient(sampler=address, feedback=UNUSED) as apa:
        callers = [asyncio.create_task(_caller(apa, watched, stop)) for _ in range(CALLERS)]
        taken = (0.0, 0.0)
        await asyncio.sleep(2.0)
        watched.intervals.clear()
        if writing is None:
            await asyncio.sleep(10.0)
        else:
            taken = await _written(apa, writing)
        stop.set()
        await asyncio.gather(*callers)
    return watched, taken


async def _written(apa: AsyncClient, writing: _Writing) -> tuple[float, float]:
    process = multiprocessing.get_context("spawn").Process(target=writing.write)
    began = time.perf_counter()
    process.start()
    await asyncio.to_thread(process.join)
    assert process.exitcode == 0, "the items were not written"
    wrote = time.perf_counter()
    while True:
        priors = {one.card.name: one.card for one in await apa.list_priors()}
        if priors[PRIOR].num_items == writing.num_items:
            return wrote - began, time.perf_counter() - wrote
        await asyncio.sleep(0.05)


async def _caller(apa: AsyncClient, watched: _Watched, stop: asyncio.Event) -> None:
    """One run after the other."""
    while not stop.is_set():
        stream = apa.sample_stream(
            prior=PRIOR,
            num_particles=NUM_PARTICLES,
            sampling={"num_steps": NUM_STEPS},
            include_particles=False,
            progress_every=1,
        )
        before = 0.0
        try:
            async for event in stream:
                now = time.perf_counter()
                if isinstance(event, Progress) and before:
                    watched.intervals.append(now - before)
                before = now if isinstance(event, Progress) else 0.0
        except ApaError:
            watched.failed += 1
