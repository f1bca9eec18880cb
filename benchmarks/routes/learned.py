"""A place of the map on a shipped prior: a learnt head at the beta that makes it as rare as wanted."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from benchmarks.routes.measure import LEAST_ESS, ROUTES, Cell
from sampler_service.population import Population
from sampler_service.routes import Outlook, Sampler, Target, choose, draw_by, take


@dataclass(frozen=True, eq=False)
class LearnedPlace:
    """One place.

    Attributes:
        target: with the stored draws, and their rewards as a service reads them.
        reading_s: seconds that reading those takes.
        judge: what the particles (N, *data_shape) are worth as they are shown: (N,), float64.
        before, after: E_q[r] and E_p[r] of what is shown.
        reference_ess: of the draws that `after` is read off; None where it is exact. Below LEAST_ESS the best
            of the three routes takes its place.
    """

    prior_name: str
    rarity: float
    target: Target
    reading_s: float
    judge: Callable[[Tensor], Tensor]
    before: float
    after: float
    reference_ess: float | None = None
    catalogue_size: int | None = None
    num_particles: int = 32

    @property
    def dimensions(self) -> int:
        return math.prod(self.target.prior.data_shape)

    @property
    def num_stored(self) -> int:
        return len(self._outlook.tilt)

    @property
    def beta(self) -> float:
        return self.target.beta

    @property
    def _outlook(self) -> Outlook:
        assert self.target.outlook is not None, "the rewards of the stored draws are known"
        return self.target.outlook

    def population(self, route: str, seed: int, sampler: Sampler | None) -> Population:
        """By a route, or by a sampler."""
        if sampler is not None:
            return draw_by(sampler, self.target, self.num_particles, seed)
        target, config = self.target, self.target.config.model_copy(update={"seed": seed})
        assert target.pool is not None, "the draws are stored"
        return take(
            *(target.prior, target.potential, config, target.pool),
            num_particles=self.num_particles,
            route=route,
            outlook=self._outlook,
        ).population


def measure_learned(place: LearnedPlace, num_seeds: int, beside: Mapping[str, Sampler]) -> Cell:
    """Runs of so many seeds; the stored draws, and so the choice, are the same for all."""
    ways: dict[str, Sampler | None] = {**dict.fromkeys(ROUTES), **beside}
    worth: dict[str, list[float]] = {name: [] for name in ways}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for seed in range(num_seeds):
        for name, sampler in ways.items():
            began = time.perf_counter()
            found = place.population(name, seed, sampler)
            reads = name in ("rank", "pool_start")
            seconds[name].append(time.perf_counter() - began + (place.reading_s if reads else 0.0))
            worth[name].append(float(found.weights @ place.judge(found.x)))
    assert place.target.outlook is not None
    is_catalogue = place.catalogue_size is not None
    choice = choose(place.target.outlook, place.num_particles, looks_at_all=is_catalogue)
    chosen = Counter({choice.name: num_seeds})
    means = {name: statistics.fmean(each) for name, each in worth.items()}
    after = place.after
    if place.reference_ess is not None and place.reference_ess < LEAST_ESS:
        after = max(means[route] for route in ROUTES)
    return Cell(
        place=place,
        num_seeds=num_seeds,
        gains={name: (mean - place.before) / (after - place.before) for name, mean in means.items()},
        seconds={name: statistics.median(each) for name, each in seconds.items()},
        chosen=dict(chosen),
        reference_ess=place.reference_ess,
    )


def beta_of(reward: Tensor, rarity: float) -> float:
    """At which equally likely draws of these rewards (M,) have KL(p || q) = -log(rarity)."""
    low, high = 0.0, 1e4
    for _ in range(60):
        middle = 0.5 * (low + high)
        reached = Outlook(reward, middle).kl_to_prior >= -math.log(rarity)
        low, high = (low, middle) if reached else (middle, high)
    return low
