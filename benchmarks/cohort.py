"""What a newcomer gains by beginning from a cohort, on films: whose taste the members share, and whose not.

Members answer without a cohort, 40 times each; so do the newcomers, once with it and once without, by the
same seeds. A figure is the true reward of what is shown, in [0, 1]; a gain is with the cohort less without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from alignment.learning import joined
from alignment.loop import align
from alignment.respondent import Respondent, Taste
from alignment.tastes import taste_of
from apa.records.session import FeedbackKindName, SessionConfig
from benchmarks.alignment.bootstrap import interval
from benchmarks.report import Row, Scale, report
from trainer_worker.fit import FeatureCache, WarmStart
from trainer_worker.fit.cohort import Share, learn_cohort
from trainer_worker.fit.functions import Functions
from trainer_worker.fit.gp import places
from trainer_worker.fit.warm import share_of
from trainer_worker.shelf import PriorShelf, Shelved

COHORT = (
    "westerns of any age",
    "classic musicals",
    "1970s crime",
    "noir and war of the 1940s",
)
UNLIKE = (
    "French comedies and Japanese animation",
    "1980s horror, with science fiction",
    "recent documentaries",
    "Bollywood and Hong Kong action",
)
BUDGET = 40
MEMBERS, NEWCOMERS = 20, 12
"""Of each kind of answer; newcomers alike and unlike, so many each."""


@dataclass(frozen=True)
class _World:
    shelved: Shelved
    functions: Functions
    config: SessionConfig

    def judge(self, taste: str) -> Taste:
        return taste_of(self.shelved.prior, taste)

    def rounds(self, taste: str, seed: int, cohort: WarmStart | None) -> list[float]:
        """The mean true reward of each slate."""
        judge = self.judge(taste)
        history = align(
            self.shelved.prior,
            Respondent(judge, self.config.feedback_kind, seed=seed),
            self.config,
            seed=seed,
            transport=self.shelved.transport,
            cohort=cohort,
        )
        return [float(judge(one.x).mean()) for one in history.rounds]

    def share(self, taste: str, seed: int) -> Share:
        prior, kind = self.shelved.prior, self.config.feedback_kind
        respond = Respondent(self.judge(taste), kind, seed=seed)
        history = align(prior, respond, self.config, seed=seed, transport=self.shelved.transport)
        answers = joined([one.answers for one in history.rounds])
        z = places(prior, self.functions.coordinates, answers.x, seed, FeatureCache())
        return share_of(self.functions, answers, z)

    def taught(self, tastes: Sequence[str], members: int) -> WarmStart:
        shares = [self.share(tastes[one % len(tastes)], 1000 + one) for one in range(members)]
        return WarmStart(self.functions, learn_cohort(shares, len(self.functions)))


def run(scale: Scale, json_path: Path | None) -> None:
    report("cohort", measure, scale, json_path)


def measure(scale: Scale) -> list[Row]:
    """A cohort of four tastes for every kind of answer, and one of one taste."""
    shelved = PriorShelf().get("films")
    functions = Functions.of_prior(*shelved)
    members, newcomers = scale.pick(MEMBERS, 8), scale.pick(NEWCOMERS, 4)
    kinds: tuple[FeedbackKindName, ...] = ("scalar",) if scale.quick else get_args(FeedbackKindName)
    rows = []
    for kind in kinds:
        world = _World(shelved, functions, SessionConfig(prior="films", budget=BUDGET, feedback_kind=kind))
        start = world.taught(COHORT, members)
        rows += _compared(world, start, COHORT, newcomers, f"{kind}, alike")
        rows += _compared(world, start, UNLIKE, newcomers, f"{kind}, unlike")
    world = _World(shelved, functions, SessionConfig(prior="films", budget=BUDGET))
    alone = world.taught(COHORT[:1], members)
    return rows + _compared(world, alone, COHORT[:1], newcomers, "scalar, a cohort of one taste, alike")


def _compared(world: _World, start: WarmStart, tastes: Sequence[str], newcomers: int, what: str) -> list[Row]:
    """Means over newcomers with 95% intervals; tastes are drawn with replacement, and then seeds of each."""
    number = [one % len(tastes) for one in range(newcomers)]
    both = [[world.rounds(tastes[n], seed, one) for seed, n in enumerate(number)] for one in (start, None)]
    found = []
    for figure, of in (("first slate", _first), ("all rounds", _all)):
        warm, cold = (np.array([of(rounds) for rounds in each]) for each in both)
        for name, values in (("without", cold), ("with", warm), ("gain", warm - cold)):
            found.append(_row(f"{what}: {figure}, {name}", number, values))
    return found


def _row(what: str, number: Sequence[int], values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Row:
    mean = interval(number, values)
    return Row(what, mean.value, mean.low, mean.high, len(values), note="mean, 95% interval")


def _first(rounds: Sequence[float]) -> float:
    return rounds[0]


def _all(rounds: Sequence[float]) -> float:
    return float(np.mean(rounds))
