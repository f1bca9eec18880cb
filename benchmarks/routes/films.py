"""*films*, enumerated: every item of a catalogue is as likely as any other, and the target is exact.

A particle is shown as the item nearest to it, and judged by that item's reward, so that 0 is an item at
random and 1 the target over items. How far the prior is from its catalogue counts against who asks it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from apa.surrogates.base import Surrogate
from benchmarks.alignment.tasks.films import Films
from benchmarks.report import Scale
from benchmarks.routes.learned import LearnedPlace, beta_of
from sampler_service.config import SamplerSettings
from sampler_service.drawing import drawn
from sampler_service.population import Population
from sampler_service.potential import SurrogatePotential
from sampler_service.resampling import systematic
from sampler_service.routes import Outlook, Sampler, Target, handed_back
from trainer_worker.fit import fit
from trainer_worker.observations import Observations

EXHAUSTIVE = "exhaustive"
TASTE, ANSWERS = 0, 80
SIZES = (1000, 4000, None)
"""Of the catalogue; None is all of it."""
RARITIES = (1e-1, 1e-2, 1e-3)
LEAST_ITEMS = 8
"""About how many items have to share a target: a slate's."""


@dataclass(frozen=True, eq=False)
class Exhaustive:
    """Scores every item, and draws by mass times exp(beta r): exact for a catalogue, whatever its prior.

    Attributes:
        vectors: (M, D).
        reward: (M, D) -> (M,), float64; read anew at each call, as a backend would.
    """

    vectors: Tensor
    reward: Callable[[Tensor], Tensor]

    def __call__(self, target: Target, num_particles: int, generator: torch.Generator) -> Population:
        weights = torch.softmax(target.beta * self.reward(self.vectors), dim=0)
        return handed_back(self.vectors[systematic(weights, generator, num_particles)])


@dataclass(frozen=True, eq=False)
class _Shown:
    """r of the item nearest to a particle."""

    items: Tensor
    worth: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return self.worth[torch.cdist(x, self.items).argmin(dim=1)]


def films_places(scale: Scale) -> Iterator[tuple[LearnedPlace, dict[str, Sampler]]]:
    """Each with its exhaustive scoring."""
    task = Films()
    prior, vectors = task.prior, task.vectors
    shuffled = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(TASTE))
    answered = vectors[shuffled[:ANSWERS]]
    rewards = task.taste(TASTE, 1e-1).reward(answered)
    surrogate = fit("gp", prior, Observations.scalar(answered, rewards), seed=TASTE, transport=task.transport)
    config = SamplerSettings.model_construct().sampling()
    pool = drawn(prior, config, scale.pick(4096, 512)).draws
    began = time.perf_counter()
    of_pool = read(surrogate, pool.x)
    reading_s = time.perf_counter() - began
    base = Target(prior, SurrogatePotential(surrogate), config, pool)
    sizes, rarities = ((4000,), (1e-2,)) if scale.quick else (SIZES, RARITIES)
    for size in sizes:
        items = vectors[shuffled[: size or len(vectors)]]
        worth = read(surrogate, items)
        for rarity in rarities:
            if rarity * len(items) < LEAST_ITEMS:
                continue
            beta = beta_of(worth, rarity)
            steered = config.model_copy(update={"beta": beta})
            place = LearnedPlace(
                prior_name="films",
                rarity=rarity,
                target=replace(base, config=steered, outlook=Outlook(of_pool, beta)),
                reading_s=reading_s,
                judge=_Shown(items, worth),
                before=float(worth.mean()),
                after=float(torch.softmax(beta * worth, dim=0) @ worth),
                catalogue_size=len(items),
            )
            yield place, {EXHAUSTIVE: Exhaustive(items, partial(read, surrogate))}


def read(surrogate: Surrogate, vectors: Tensor) -> Tensor:
    """(M,), float64, r of items by their vectors (M, D)."""
    latent = surrogate.latent_items(vectors.double())
    assert latent is not None, "a gp of vectors reads the items themselves"
    return latent.mean.double()
