"""One place of the map: what each route brings, what it costs, and which one is chosen."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from apa.records.sampling import RouteName, SamplingConfig
from benchmarks.routes.cases import Place
from sampler_service.config import SamplerSettings
from sampler_service.population import Population
from sampler_service.potential import DenoisedRewardPotential
from sampler_service.routes import Outlook, Sampler, StoredPool, Target, certify, choose, draw_by, take

ROUTES: tuple[RouteName, ...] = ("rank", "pool_start", "steer")
NUM_SHOWN = 8
LEAST_ESS = 50.0
"""Of a reference by weights, below which E_p[r] is not read off it."""
FEW = 12
"""Seeds of a sampler beside the routes, at most."""
ADEQUATE = 0.97
"""Of the reward of the best route, what makes another one adequate."""


class AnyPlace(Protocol):
    """What every place says of itself; see `Place`.

    Attributes:
        catalogue_size: items that particles are shown as; None where they are shown themselves.
    """

    @property
    def prior_name(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def rarity(self) -> float: ...
    @property
    def num_stored(self) -> int: ...
    @property
    def num_particles(self) -> int: ...
    @property
    def catalogue_size(self) -> int | None: ...
    @property
    def beta(self) -> float: ...


@dataclass(frozen=True)
class Cell:
    """Means over seeds, times as medians.

    Attributes:
        gains: by route or sampler, (mean r - E_q[r]) / (E_p[r] - E_q[r]): 0 is the prior, 1 the target;
            more is no better law, and counts as 1.
        seconds: likewise, the reading of stored draws included where it has to be.
        chosen: how often each route was chosen.
        ancestral_gain: of steering by the ancestral integrator, whose steps leave too little variance; None
            where that is what steers anyway.
        covered: share of the certificates whose interval holds log Z; `bounded`, of those with an upper end;
            None where log Z is not known.
        width: of the intervals, the median, in nats; likewise.
        reference_ess: of the draws that E_p[r] is read off; None where it is exact.
    """

    place: AnyPlace
    num_seeds: int
    gains: dict[str, float]
    seconds: dict[str, float]
    chosen: dict[str, int]
    ancestral_gain: float | None = None
    covered: float | None = None
    bounded: float | None = None
    width: float | None = None
    reference_ess: float | None = None

    @property
    def exact(self) -> bool:
        """Whether E_p[r] is known well; else 1 is what the best of the three routes brings."""
        return self.reference_ess is None or self.reference_ess >= LEAST_ESS

    @property
    def cheapest_adequate(self) -> RouteName:
        """Of the three routes: other samplers are shown beside them."""
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
    def capped(self) -> dict[str, float]:
        return {route: min(self.gains[route], 1.0) for route in ROUTES}

    def _of_chosen(self, figures: Mapping[str, float]) -> float:
        return sum(figures[route] * count for route, count in self.chosen.items()) / self.num_seeds


def measure(place: Place, num_seeds: int, beside: Mapping[str, Sampler] | None = None) -> Cell:
    """Pools, runs and choices of so many seeds.

    Args:
        beside: other samplers by name, each run for at most FEW seeds.
    """
    config, others = config_of(place.beta), beside or {}
    gains: dict[str, list[float]] = {name: [] for name in (*ROUTES, *others)}
    seconds: dict[str, list[float]] = {name: [] for name in gains}
    ancestral: list[float] = []
    chosen: Counter[str] = Counter()
    covered = bounded = 0
    widths: list[float] = []
    for seed in range(num_seeds):
        generator = torch.Generator().manual_seed(seed)
        pool = StoredPool(place.prior.sample(place.num_stored, generator), place.prior.content_hash, seed)
        began = time.perf_counter()
        # Of stored draws the features are stored too: reading them takes no denoiser.
        outlook = Outlook(place.reward(pool.x).double(), place.beta)
        choice = choose(outlook, place.num_particles)
        reading = time.perf_counter() - began
        for route in ROUTES:
            began = time.perf_counter()
            found = _taken(place, config.model_copy(update={"seed": seed}), pool, route, outlook)
            seconds[route].append(time.perf_counter() - began + (0.0 if route == "steer" else reading))
            gains[route].append(_gain(place, found))
            if route == choice.name:
                certificate = certify(found, NUM_SHOWN, outlook)
                assert certificate is not None, "every route has a log Z"
                covered += certificate.lower <= place.target.log_z <= certificate.upper
                bounded += certificate.upper < float("inf")
                widths.append(certificate.upper - certificate.lower)
        chosen[choice.name] += 1
        for name, sampler in others.items() if seed < FEW else ():
            target = Target(place.prior, DenoisedRewardPotential(place.reward), config, pool, outlook)
            began = time.perf_counter()
            found = draw_by(sampler, target, place.num_particles, seed)
            seconds[name].append(time.perf_counter() - began)
            gains[name].append(_gain(place, found))
        by_ancestral_steps = config.model_copy(update={"seed": seed, "integrator": "ancestral"})
        ancestral.append(_gain(place, _taken(place, by_ancestral_steps, pool, "steer", outlook)))
    return Cell(
        place=place,
        num_seeds=num_seeds,
        gains={name: statistics.fmean(each) for name, each in gains.items()},
        seconds={name: statistics.median(each) for name, each in seconds.items()},
        chosen=dict(chosen),
        ancestral_gain=statistics.fmean(ancestral),
        covered=covered / num_seeds,
        bounded=bounded / num_seeds,
        width=statistics.median(widths),
    )


def config_of(beta: float) -> SamplingConfig:
    """The service's own steps, but with the variance that a mixture knows: by those of the ancestral
    integrator, so few steps leave too little of each mode's width, and half of what a target has to gain.
    """
    own = SamplerSettings.model_construct().sampling()
    return own.model_copy(update={"beta": beta, "t_start": 1.0, "integrator": "analytic"})


def _taken(
    place: Place, config: SamplingConfig, pool: StoredPool, route: RouteName, outlook: Outlook
) -> Population:
    taken = take(
        place.prior,
        place.reward,
        config,
        pool,
        num_particles=place.num_particles,
        route=route,
        outlook=outlook,
    )
    return taken.population


def _gain(place: Place, population: Population) -> float:
    before, after = place.gain
    mean = float((population.weights * place.reward(population.x).double()).sum())
    return (mean - before) / (after - before)
