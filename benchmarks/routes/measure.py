"""One place of the map: what each route brings, what it costs, and which one is chosen."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from dataclasses import dataclass

import torch

from apa.records.sampling import RouteName, SamplingConfig
from benchmarks.routes.cases import Place
from sampler_service.config import SamplerSettings
from sampler_service.routes import Outlook, StoredPool, Taken, choose, take

ROUTES: tuple[RouteName, ...] = ("rank", "pool_start", "steer")
NUM_PARTICLES, NUM_SHOWN = 32, 8
ADEQUATE = 0.97
"""Of the reward of the best route, what makes another one adequate."""


@dataclass(frozen=True)
class Cell:
    """Means over seeds, times as medians.

    Attributes:
        gains: by route, (mean r - E_q[r]) / (E_p[r] - E_q[r]): 0 is the prior, 1 the target; more is no
            better law, and counts as 1.
        seconds: by route, the reading of stored draws included where it has to be.
        chosen: how often each route was chosen.
        ancestral_gain: of steering by the ancestral integrator, whose steps leave too little variance.
        covered: share of the certificates whose interval holds log Z; `bounded`, of those with an upper end.
        width: of the intervals, the median, in nats.
    """

    place: Place
    num_seeds: int
    gains: dict[RouteName, float]
    seconds: dict[RouteName, float]
    chosen: dict[RouteName, int]
    ancestral_gain: float
    covered: float
    bounded: float
    width: float

    @property
    def cheapest_adequate(self) -> RouteName:
        best = max(self.capped.values())
        adequate = [route for route in ROUTES if self.capped[route] >= ADEQUATE * best]
        return min(adequate, key=lambda route: self.seconds[route])

    @property
    def times_the_cheapest(self) -> float:
        """Seconds of what was chosen, over those of the cheapest adequate route."""
        return self._of_chosen(self.seconds) / self.seconds[self.cheapest_adequate]

    @property
    def share_of_best(self) -> float:
        """Gain of what was chosen, over that of the best route in hindsight."""
        return self._of_chosen(self.capped) / max(self.capped.values())

    @property
    def capped(self) -> dict[RouteName, float]:
        return {route: min(gain, 1.0) for route, gain in self.gains.items()}

    def _of_chosen(self, figures: dict[RouteName, float]) -> float:
        return sum(figures[route] * count for route, count in self.chosen.items()) / self.num_seeds


def measure(place: Place, num_seeds: int) -> Cell:
    """Pools, runs and choices of so many seeds."""
    config = _config(place.beta)
    gains: dict[RouteName, list[float]] = {route: [] for route in ROUTES}
    seconds: dict[RouteName, list[float]] = {route: [] for route in ROUTES}
    ancestral: list[float] = []
    chosen: Counter[RouteName] = Counter()
    covered = bounded = 0
    widths: list[float] = []
    for seed in range(num_seeds):
        generator = torch.Generator().manual_seed(seed)
        pool = StoredPool(place.prior.sample(place.num_stored, generator), place.prior.content_hash, seed)
        began = time.perf_counter()
        # Of stored draws the features are stored too: reading them takes no denoiser.
        outlook = Outlook(place.reward(pool.x).double(), place.beta)
        choice = choose(outlook, NUM_PARTICLES)
        reading = time.perf_counter() - began
        for route in ROUTES:
            began = time.perf_counter()
            taken = _taken(place, config.model_copy(update={"seed": seed}), pool, route, outlook)
            seconds[route].append(time.perf_counter() - began + (0.0 if route == "steer" else reading))
            gains[route].append(_gain(place, taken))
            if route == choice.name:
                certificate = taken.certificate(NUM_SHOWN)
                assert certificate is not None, "every route has a log Z"
                covered += certificate.lower <= place.target.log_z <= certificate.upper
                bounded += certificate.upper < float("inf")
                widths.append(certificate.upper - certificate.lower)
        chosen[choice.name] += 1
        by_ancestral_steps = config.model_copy(update={"seed": seed, "integrator": "ancestral"})
        ancestral.append(_gain(place, _taken(place, by_ancestral_steps, pool, "steer", outlook)))
    return Cell(
        place=place,
        num_seeds=num_seeds,
        gains={route: statistics.fmean(found) for route, found in gains.items()},
        seconds={route: statistics.median(found) for route, found in seconds.items()},
        chosen=dict(chosen),
        ancestral_gain=statistics.fmean(ancestral),
        covered=covered / num_seeds,
        bounded=bounded / num_seeds,
        width=statistics.median(widths),
    )


def _config(beta: float) -> SamplingConfig:
    """The service's own steps, but with the variance that a mixture knows: by those of the ancestral
    integrator, so few steps leave too little of each mode's width, and half of what a target has to gain.
    """
    own = SamplerSettings.model_construct().sampling()
    return own.model_copy(update={"beta": beta, "t_start": 1.0, "integrator": "analytic"})


def _taken(
    place: Place, config: SamplingConfig, pool: StoredPool, route: RouteName, outlook: Outlook
) -> Taken:
    return take(
        place.prior, place.reward, config, pool, num_particles=NUM_PARTICLES, route=route, outlook=outlook
    )


def _gain(place: Place, taken: Taken) -> float:
    before, after = place.gain
    population = taken.population
    mean = float((population.weights * place.reward(population.x).double()).sum())
    return (mean - before) / (after - before)
