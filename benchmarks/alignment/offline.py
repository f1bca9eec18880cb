"""Do the 95% intervals of `apa.offline` cover what another policy is truly worth?

A repeat logs slates of one policy, with noisy answers, and estimates another one from their propensities.
Its rounds are drawn from a pool whose every reward is known, so that the truth is exact: the mean over the
pool of what the other policy's inclusion probabilities earn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from apa.offline import Estimate, Logged, doubly_robust, inverse_propensity, self_normalised
from benchmarks.alignment.film_rounds import AT, Floats, K, Round, film_rounds
from benchmarks.report import Row, Scale, report
from sampler_service.selection import EpsilonGreedy, GumbelTopK, Policy, Thompson, UpperConfidenceBound

NOISE = 0.1
"""Standard deviation of an answer; rewards are in [0, 1]."""
SLATES = 40
"""That one estimate is made from: four sessions of 80 answers."""
LEAST_COVERAGE = 0.9

POLICIES: dict[str, Policy] = {
    "ucb": UpperConfidenceBound(),
    "epsilon_greedy": EpsilonGreedy(),
    "gumbel_top_k": GumbelTopK(),
    "thompson": Thompson(),
}
PAIRS = (
    ("gumbel_top_k", "ucb"),
    ("gumbel_top_k", "epsilon_greedy"),
    ("epsilon_greedy", "ucb"),
    ("epsilon_greedy", "gumbel_top_k"),
    ("thompson", "ucb"),
)
"""Which policy logs, and which is evaluated."""

Estimator = Callable[[Logged, Floats, Floats, Floats], Estimate]
ESTIMATORS: dict[str, Estimator] = {
    "IPS": lambda log, evaluated, *_: inverse_propensity(log, evaluated),
    "self-normalised IPS": lambda log, evaluated, *_: self_normalised(log, evaluated),
    "doubly robust": doubly_robust,
}


def measure(scale: Scale) -> list[Row]:
    """Coverage of each pair of policies and estimator."""
    generator = torch.Generator().manual_seed(0)
    rounds = film_rounds(scale.pick(400, 64), POLICIES, generator)
    repeats = scale.pick(400, 40)
    return [
        row
        for logging, evaluated in PAIRS
        for row in coverage(rounds, logging, evaluated, repeats, generator)
    ]


def run(scale: Scale, path: Path | None) -> None:
    report("offline", measure, scale, path)


def coverage(
    rounds: list[Round], logging: str, evaluated: str, repeats: int, generator: torch.Generator
) -> list[Row]:
    """For each estimator the share of repeats whose interval has the truth in it."""
    truth = float(np.mean([one.worth(evaluated) for one in rounds]))
    found: dict[str, list[Estimate]] = {name: [] for name in ESTIMATORS}
    for _ in range(repeats):
        picked = torch.randint(len(rounds), (SLATES,), generator=generator).tolist()
        arguments = logged([rounds[one] for one in picked], logging, evaluated, generator)
        for name, estimator in ESTIMATORS.items():
            found[name].append(estimator(*arguments))
    return [
        _row(f"{evaluated} from slates of {logging}, {name}", truth, estimates)
        for name, estimates in found.items()
    ]


def logged(
    rounds: list[Round], logging: str, evaluated: str, generator: torch.Generator
) -> tuple[Logged, Floats, Floats, Floats]:
    """A log of one slate a round; for each item e, the surrogate's reward, and its value of the policy."""
    rows = []
    for slate, one in enumerate(rounds):
        mean = one.candidates.prediction.mean
        for position, propensity in _shown(one, logging, generator):
            answer = one.rewards[position] + NOISE * float(torch.randn((), generator=generator))
            e = one.inclusion[evaluated][position]
            rows.append((answer, propensity, slate, e, float(mean[position]), one.expected(evaluated)))
    answers, propensities, slates, e, predicted, expected = np.array(rows, dtype=np.float64).T
    return Logged(answers, propensities, slates.astype(np.int64)), e, predicted, expected


def _shown(one: Round, logging: str, generator: torch.Generator) -> list[tuple[int, float]]:
    """Positions with their propensities."""
    policy = POLICIES[logging]
    if isinstance(policy, GumbelTopK):
        # Its exact propensities are known of the round; to draw again needs no quadrature.
        picks = policy.draw(one.candidates, K, AT, generator)
        return [(pick.position, float(one.inclusion[logging][pick.position])) for pick in picks]
    choices = policy(one.candidates, K, AT, generator)
    return [(choice.index, choice.propensity) for choice in choices]


def _row(what: str, truth: float, estimates: list[Estimate]) -> Row:
    """The share, between the ends of its own 95% interval."""
    repeats = len(estimates)
    share = sum(one.low <= truth <= one.high for one in estimates) / repeats
    low, high = _wilson(share, repeats)
    half_width = float(np.median([one.high - one.low for one in estimates])) / 2
    mean = float(np.mean([one.value for one in estimates]))
    note = f"true {truth:.3f}, mean estimate {mean:.3f}, ± {half_width:.3f}"
    return Row(f"coverage of {what}", share, low, high, repeats, LEAST_COVERAGE, note=note)


def _wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    margin = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return centre - margin, centre + margin


if __name__ == "__main__":
    run(Scale(), None)
