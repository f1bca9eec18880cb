"""Runs made ahead: how often the next slate's run is there, what that saves, and what is made for nobody.

Users look at a slate for a while, answer all of it, look away for a moment, and ask for the next; after some
they leave, with budget left. The whole stack runs as processes, once with runs made ahead and once without,
by the same sessions.
"""

from __future__ import annotations

import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from apa.client import Client, SampleResult
from apa.local.stack import LocalStack
from benchmarks.report import Row, Scale, report, row

ROUNDS = 7
"""Slates of a user; of the first nothing can be made ahead, and after the last nobody asks."""
LIFETIME_S = 20.0
"""Of a run made ahead, after which it has been for nobody."""
PER_ROUND = 8
USERS = {"films": 4, "fashion": 1}
PAUSES_S = (10.0, 3.0)
"""From a slate to its last answer and the call for the next one, in halves."""
OUTCOMES = ("hit", "joined")
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class _Seen:
    """Slates of all users that something was learnt before, and what the sampler counted.

    Attributes:
        milliseconds: from the call to the slate.
        prepared: of the same slates, whether their run was made ahead.
        counted: runs made ahead by outcome; `wasted`: evaluations for nobody. evaluations: of what was shown.
    """

    milliseconds: list[float]
    prepared: list[bool]
    counted: dict[str, float]
    wasted: float
    evaluations: int


def run(scale: Scale, json_path: Path | None) -> None:
    report("prepared", measure, scale, json_path)


def measure(scale: Scale) -> list[Row]:
    """Of each prior, at each pause; with runs made ahead, and without."""
    rows: list[Row] = []
    for prior, users in {"films": 1}.items() if scale.quick else USERS.items():
        for pause_s in PAUSES_S[1:] if scale.quick else PAUSES_S:
            rounds = scale.pick(ROUNDS, 4)
            ahead, plain = (_seen(prior, users, pause_s, rounds, prepare) for prepare in (True, False))
            rows += _rows(f"{prior}, {users} users, {pause_s:g} s a slate", ahead, plain, pause_s)
    return rows


def _rows(what: str, ahead: _Seen, plain: _Seen, pause_s: float) -> list[Row]:
    made = sum(ahead.counted.values())
    unseen = made - sum(ahead.counted.get(outcome, 0.0) for outcome in OUTCOMES)
    counts = ", ".join(f"{count:.0f} {outcome}" for outcome, count in sorted(ahead.counted.items()) if count)
    ratio = np.median(ahead.milliseconds) / np.median(plain.milliseconds)
    bound = 0.8 if pause_s >= PAUSES_S[0] else None
    return [
        row(
            f"{what}: share of slates whose run was made ahead",
            [float(np.mean(ahead.prepared))],
            bound,
            note=counts,
        ),
        row(f"{what}: milliseconds of a slate, made ahead", ahead.milliseconds),
        row(f"{what}: the same, not made ahead", plain.milliseconds),
        row(f"{what}: one over the other, medians", [float(ratio)]),
        row(f"{what}: share of runs made ahead that nobody saw", [unseen / max(made, 1.0)]),
        row(
            f"{what}: evaluations for nobody, over those of what was shown",
            [ahead.wasted / max(ahead.evaluations, 1)],
        ),
    ]


def _seen(prior: str, users: int, pause_s: float, rounds: int, prepare: bool) -> _Seen:
    settings = {
        "APA_SAMPLER_PREPARE": str(prepare).lower(),
        "APA_SAMPLER_PREPARED_LIFETIME_S": str(LIFETIME_S),
        "OMP_NUM_THREADS": "1",
    }
    with (
        LocalStack(environment=settings) as stack,
        Client(stack.sampler, stack.feedback, timeout_s=TIMEOUT_S) as apa,
        ThreadPoolExecutor(users) as pool,
    ):
        each = pool.map(lambda user: _user(apa, prior, pause_s, rounds, user), range(users))
        slates = [slate for of_user in each for slate in of_user]
        # Until what was made for those who left is dropped.
        time.sleep(1.2 * LIFETIME_S if prepare else 0.0)
        counted, wasted = _counted(stack.metrics["sampler"])
    return _Seen(
        milliseconds=[taken for taken, _ in slates],
        prepared=[result.started.prepared for _, result in slates],
        counted=counted,
        wasted=wasted,
        evaluations=sum(result.finished.denoiser_evaluations for _, result in slates),
    )


def _user(
    apa: Client, prior: str, pause_s: float, rounds: int, user: int
) -> list[tuple[float, SampleResult]]:
    """Milliseconds and result of each slate but the first."""
    session = apa.create_session(prior, budget=PER_ROUND * (rounds + 1), particles_per_round=PER_ROUND)
    # Not all in step.
    time.sleep(pause_s * user / 8.0)
    slates = []
    for _ in range(rounds):
        began = time.perf_counter()
        result = apa.sample(session.session_id)
        slates.append((1e3 * (time.perf_counter() - began), result))
        time.sleep(0.5 * pause_s)
        apa.record_feedback(session.session_id, _answers(result))
        time.sleep(0.5 * pause_s)
    return slates[1:]


def _answers(result: SampleResult) -> dict[str, float]:
    """A taste along one coordinate."""
    return {item.particle_id: float(np.tanh(item.x.flatten()[::7].sum())) for item in result.slate.items}


def _counted(url: str) -> tuple[dict[str, float], float]:
    """Runs made ahead by outcome, and evaluations wasted."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    counted = {one.labels["outcome"]: one.value for one in samples if one.name == "apa_prepared_runs_total"}
    wasted = [one.value for one in samples if one.name == "apa_prepared_wasted_evaluations_total"]
    return counted, sum(wasted)
