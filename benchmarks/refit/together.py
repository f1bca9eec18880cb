"""64 sessions fitted as one batch, against one after the other."""

from __future__ import annotations

import torch

from benchmarks.report import Row, Scale, ratios, row
from trainer_worker.fit import FeatureCache
from trainer_worker.fit.together import Problem, encoded, fit_together
from trainer_worker.observations import Observations
from trainer_worker.shelf import PriorShelf, Shelved

HEADS = 64


def measure(scale: Scale) -> list[Row]:
    repeats = scale.pick(9, 3)
    films, fashion = (PriorShelf().get(name) for name in ("films", "fashion"))
    rounds = [8 * (1 + number % 10) for number in range(HEADS)]
    first = f"{HEADS} heads refitted together against one after the other, features cached"
    return [
        row(first, _gain(films, rounds, repeats), 8.0, note="films, 8 to 80 answers each"),
        row("the same", _gain(fashion, rounds, repeats), note="fashion, 8 to 80 answers each"),
        *(
            row("the same", _gain(films, [count] * HEADS, repeats), note=f"films, {count} answers each")
            for count in (8, 20, 40, 80)
        ),
    ]


def _gain(of: Shelved, counts: list[int], repeats: int) -> list[float]:
    problems = encoded(
        of.prior, [_problem(of, count, seed) for seed, count in enumerate(counts)], FeatureCache(), False
    )

    def apart() -> None:
        for problem in problems:
            fit_together("linear", of.prior, [problem], of.transport)

    return ratios(apart, lambda: fit_together("linear", of.prior, problems, of.transport), repeats)


def _problem(of: Shelved, count: int, seed: int) -> Problem:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, *of.prior.data_shape, generator=generator)
    noise = 0.3 * torch.randn(count, generator=generator)
    return Problem(Observations.scalar(x, x.flatten(1)[:, 0] + noise), seed)
