"""64 sessions refitted as one batch, against one after the other: whole refits, and their fits alone.

Fits compute in one thread: they are timed by the processor's clock, whole refits by the wall's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import process_time

import torch
from prometheus_client import CollectorRegistry

from apa.metrics import TrainerMetrics
from apa.records.feedback import Feedback
from apa.records.session import SurrogateFamily
from apa.store.connection import Client, connect
from apa.store.ledger import FeedbackLedger
from apa.store.slates import SlateStore
from benchmarks.refit import people
from benchmarks.refit.processes import redis_in
from benchmarks.report import Row, Scale, ratios, row, seconds
from trainer_worker.drain import Drain
from trainer_worker.fit import FeatureCache
from trainer_worker.fit.gp import BANDWIDTHS, fit_gp
from trainer_worker.fit.together import Problem, encoded, fit_together, reads_features
from trainer_worker.fit.tridiagonal import tridiagonal
from trainer_worker.observations import Observations
from trainer_worker.shelf import PriorShelf, Shelved
from trainer_worker.stores import Stores
from trainer_worker.tools import Tools

HEADS, KNOWN = 64, 14
"""Sessions, and answers that each has before the first refit that is measured."""
FAMILIES: tuple[SurrogateFamily, ...] = ("gp", "linear")
TO_REACH = 8.0


def measure(scale: Scale) -> list[Row]:
    shelf, repeats = PriorShelf(), scale.pick(6, 2)
    films, fashion = shelf.get("films"), shelf.get("fashion")
    mixed = [8 * (1 + number % 10) for number in range(HEADS)]
    whole = f"{HEADS} refits together against one after the other, from due to published"
    note = f"films, {KNOWN + 1} to {KNOWN + 2 * repeats + 2} answers each"
    times = scale.pick(15, 3)
    found = []
    for family in FAMILIES:
        for size in (8, 20, 40, 80):
            given = _given(films, family, [size] * HEADS)
            found += _of_size(given, f"{family}, films, {size} answers each", times)
        for of in (films, fashion):
            given = _given(of, family, mixed)
            found.append(
                row(FITS, _ratios(given, times), TO_REACH, note=f"{given.name}, 8 to 80 answers each")
            )
        found.append(row(whole, _refits(shelf, repeats, family), note=f"{family}, {note}"))
    return found


FITS = f"{HEADS} heads fitted together against one after the other, features cached"


@dataclass(frozen=True, eq=False)
class _Given:
    """Problems of one prior and family, whose features are known."""

    of: Shelved
    family: SurrogateFamily
    problems: list[Problem]

    @property
    def name(self) -> str:
        return f"{self.family}, {self.of.prior.card.name}"

    def together(self) -> None:
        self._fit(self.problems)

    def apart(self) -> None:
        for problem in self.problems:
            self._fit([problem])

    def by_eigenfunctions(self) -> None:
        """One after the other, as answers other than rewards are fitted."""
        for one in self.problems:
            fit_gp(self.of.prior, one.observations, one.seed, transport=self.of.transport)

    def _fit(self, problems: list[Problem]) -> None:
        fitted = fit_together(self.family, self.of.prior, problems, FeatureCache(), self.of.transport)
        failed = [one for one in fitted if isinstance(one, Exception)]
        assert not failed, failed[0]


def _of_size(given: _Given, note: str, times: int) -> list[Row]:
    rows = [
        row(FITS, _ratios(given, times), TO_REACH, note=note),
        row("the fit of a head alone, ms", _ms_of_a_head(given.apart, times), note=note),
        row("the fit of a head together, ms", _ms_of_a_head(given.together, times), note=note),
    ]
    if given.family == "gp":
        taken = ratios(given.by_eigenfunctions, given.together, times, clock=process_time)
        rows.append(row("one after the other by eigenfunctions, against together", taken, note=note))
        rows.append(row("LAPACK's share of the fits together", _shares(given, times), note=note))
    return rows


def _ratios(given: _Given, times: int) -> list[float]:
    return ratios(given.apart, given.together, times, clock=process_time)


def _ms_of_a_head(work: Callable[[], None], times: int) -> list[float]:
    return [1e3 * seconds(work, process_time) / HEADS for _ in range(times)]


def _shares(given: _Given, times: int) -> list[float]:
    """Of the time of the fits, that of reducing as many matrices of their size, once for each bandwidth."""
    size = len(given.problems[0].observations)
    x = torch.randn(HEADS * len(BANDWIDTHS), size, size, dtype=torch.float64)
    matrices, sizes = (x @ x.mT).numpy(), [size] * len(x)
    return ratios(lambda: tridiagonal(matrices.copy(), sizes), given.together, times, clock=process_time)


def _refits(shelf: PriorShelf, repeats: int, family: SurrogateFamily) -> list[float]:
    """Seconds one after the other over seconds together; before each, every session gets one more answer."""
    with tempfile.TemporaryDirectory() as folder, redis_in(Path(folder)) as url:
        client, cache = connect(url), FeatureCache()
        tools = Tools(Stores.at(url), shelf, cache, TrainerMetrics.create(CollectorRegistry()), 600.0)
        given = people.create(client, HEADS, KNOWN + 2 * repeats + 2, family)
        number, ledger = count(KNOWN), FeedbackLedger(client)
        ledger.record_many([answer for answers in given for answer in answers[:KNOWN]])
        _know_features(client, cache, shelf.get(people.PRIOR), given)
        Drain(tools, HEADS).run()

        def taken(most: int) -> float:
            place = next(number)
            ledger.record_many([answers[place] for answers in given])
            drain = Drain(tools, most)
            return seconds(lambda: [None for _ in iter(drain.run, False)])

        taken(1), taken(HEADS)
        found = []
        for repeat in range(repeats):
            first, second = (1, HEADS) if repeat % 2 else (HEADS, 1)
            times = {first: taken(first), second: taken(second)}
            found.append(times[1] / times[HEADS])
        return found


def _know_features(client: Client, cache: FeatureCache, of: Shelved, given: list[list[Feedback]]) -> None:
    for answers in given:
        names = [name for answer in answers for name in answer.answer.particle_ids]
        shown = SlateStore(client).particles(answers[0].session_id, names)
        cache(of.prior, torch.stack([torch.from_numpy(one.x) for one in shown]), 0, noised=False)


def _given(of: Shelved, family: SurrogateFamily, counts: list[int]) -> _Given:
    problems = [_problem(of, size, seed) for seed, size in enumerate(counts)]
    if reads_features(family, of.prior, of.transport):
        problems = encoded(of.prior, problems, FeatureCache(), with_noise=False)
    return _Given(of, family, problems)


def _problem(of: Shelved, size: int, seed: int) -> Problem:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, *of.prior.data_shape, generator=generator)
    noise = 0.3 * torch.randn(size, generator=generator)
    return Problem(Observations.scalar(x, x.flatten(1)[:, 0] + noise), seed)
