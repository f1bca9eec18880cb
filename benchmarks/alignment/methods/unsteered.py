"""The prior alone, and its draws ranked by the same head, policy and answers as our default's."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from alignment import Respond, Round, align
from alignment.algorithm_1 import changed
from benchmarks.alignment.methods.catalogue import population_of
from benchmarks.alignment.methods.method import Shown, align_drawn
from benchmarks.alignment.tasks import Task, task_of
from sampler_service import Population, sample
from sampler_service.calls import Job
from sampler_service.config import SamplerSettings

STORED = 1024
"""Draws of a stored pool, which a service would have ready: their cost is not counted."""
POOL_SEED = 77
DRAWS_FOR_A_STEERED_ONE = 2
"""Unsteered draws of as many operations as one steered particle, which has a backward pass too. The column of
operations says how near that came."""


def prior_only(task: Task, respond: Respond, seed: int, shown: Shown) -> None:
    """k draws a round, whatever was answered; of a catalogue items that were not shown."""
    # Of k candidates every policy shows all, but those that look around have more.
    config = changed(task.config, {"policy": "epsilon_greedy"})

    def draw(job: Job) -> Population:
        return sample(job.prior, None, job.config, num_particles=job.num_shown)

    align_drawn(task, respond, seed, shown, draw, config)


def fresh_pool(task: Task, respond: Respond, seed: int, shown: Shown) -> None:
    """At equal seconds: as many fresh draws a round as steering has operations for."""

    def draw(job: Job) -> Population:
        times = 1 if job.surrogate is None else DRAWS_FOR_A_STEERED_ONE
        return sample(job.prior, None, job.config, num_particles=times * job.num_particles)

    align_drawn(task, respond, seed, shown, draw)


def stored_pool(task: Task, respond: Respond, seed: int, shown: Shown) -> None:
    """At equal answers: the stored draws are ranked, none shown twice."""
    stored = _Stored(_pool_of(task.name), seed)

    def on_round(done: Round) -> None:
        stored.drop(done)
        shown(done.x)

    align(
        task.prior, respond, task.config, seed=seed, transport=task.transport, draw=stored, on_round=on_round
    )


class _Stored:
    """The stored draws as a population of equal weights, in an order of its own, without those shown."""

    def __init__(self, pool: Tensor, seed: int) -> None:
        self._left = pool[torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))]

    def __call__(self, job: Job) -> Population:
        x = self._left if job.surrogate is not None else self._left[: job.num_particles]
        assert job.config.seed is not None, "a job's seed is drawn"
        return population_of(x, job.config.seed)

    def drop(self, done: Round) -> None:
        kept = torch.ones(len(self._left), dtype=torch.bool)
        kept[[item.population_index for item in done.slate.items]] = False
        self._left = self._left[kept]


def draw_pool(task: Task) -> None:
    """Has the stored draws ready, once in a process."""
    _pool_of(task.name)


@cache
def _pool_of(name: str) -> Tensor:
    """(STORED, *data_shape), the same in every cell, by the service's own steps."""
    prior = task_of(name).prior
    config = SamplerSettings.model_construct().sampling().model_copy(update={"seed": POOL_SEED})
    return sample(prior, None, config, num_particles=STORED).x
