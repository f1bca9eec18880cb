"""64 sessions refitted as one batch, against one after the other: whole refits, and their fits alone."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

import torch
from prometheus_client import CollectorRegistry

from apa.metrics import TrainerMetrics
from apa.records.feedback import Feedback
from apa.store.connection import Client, connect
from apa.store.ledger import FeedbackLedger
from apa.store.slates import SlateStore
from benchmarks.refit import people
from benchmarks.refit.processes import redis_in
from benchmarks.report import Row, Scale, ratios, row, seconds
from trainer_worker.drain import Drain
from trainer_worker.fit import FeatureCache
from trainer_worker.fit.together import Problem, encoded, fit_together
from trainer_worker.observations import Observations
from trainer_worker.refit import Tools
from trainer_worker.shelf import PriorShelf, Shelved
from trainer_worker.stores import Stores

HEADS, KNOWN = 64, 14
"""Sessions, and answers that each has before the first refit that is measured."""


def measure(scale: Scale) -> list[Row]:
    shelf, repeats = PriorShelf(), scale.pick(6, 2)
    films, fashion = shelf.get("films"), shelf.get("fashion")
    mixed = [8 * (1 + number % 10) for number in range(HEADS)]
    whole = f"{HEADS} heads refitted together against one after the other, features cached"
    note = f"films, {KNOWN + 1} to {KNOWN + 2 * repeats + 2} answers each, from due to published"
    alone = "the fits alone"
    return [
        row(whole, _refits(shelf, repeats), 8.0, note=note),
        *(
            row(alone, _fits(films, [size] * HEADS, scale.pick(9, 3)), note=f"films, {size} answers each")
            for size in (8, 20, 40, 80)
        ),
        row(alone, _fits(films, mixed, scale.pick(9, 3)), note="films, 8 to 80 answers each"),
        row(alone, _fits(fashion, mixed, scale.pick(9, 3)), note="fashion, 8 to 80 answers each"),
    ]


def _refits(shelf: PriorShelf, repeats: int) -> list[float]:
    """Seconds one after the other over seconds together; before each, every session gets one more answer."""
    with tempfile.TemporaryDirectory() as folder, redis_in(Path(folder)) as url:
        client, cache = connect(url), FeatureCache()
        tools = Tools(Stores.at(url), shelf, cache, TrainerMetrics.create(CollectorRegistry()), 600.0)
        given = people.create(client, HEADS, KNOWN + 2 * repeats + 2, "linear")
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


def _fits(of: Shelved, counts: list[int], repeats: int) -> list[float]:
    given, cache = [_problem(of, size, seed) for seed, size in enumerate(counts)], FeatureCache()
    problems = encoded(of.prior, given, cache, with_noise=False)

    def apart() -> None:
        for problem in problems:
            fit_together("linear", of.prior, [problem], cache, of.transport)

    return ratios(apart, lambda: fit_together("linear", of.prior, problems, cache, of.transport), repeats)


def _problem(of: Shelved, size: int, seed: int) -> Problem:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, *of.prior.data_shape, generator=generator)
    noise = 0.3 * torch.randn(size, generator=generator)
    return Problem(Observations.scalar(x, x.flatten(1)[:, 0] + noise), seed)
