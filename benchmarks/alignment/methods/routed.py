"""Our loop with its route chosen round by round, or every round ranked, from draws that are stored."""

from __future__ import annotations

from functools import cache

import torch

from alignment import Respond, align
from alignment.algorithm_1 import changed
from alignment.routes import ByRoute, DrawnPools
from alignment.slates import resolved
from apa.prior_folders import shipped_priors_dir
from apa.records.sampling import RouteOption
from apa.records.session import SessionConfig
from benchmarks.alignment.methods.method import Method, Shown
from benchmarks.alignment.tasks import Task, task_of
from sampler_service.config import SamplerSettings
from sampler_service.drawing import drawn
from sampler_service.routes import StoredPool
from sampler_service.routes.stored_pool import NUM_STORED
from sampler_service.stored_files import FILE, StoredFile, read_stored
from sampler_service.stored_pools import CHUNK

DRAWS_OF_A_SESSION = 640
"""What ranking has beside the NUM_STORED that both have for nothing: a session of ten rounds steers 320
particles, and an unsteered draw takes half the operations of one."""


def by_route(route: RouteOption, num_more: int = 0) -> Method:
    """The loop with one route named, or chosen, and so many stored draws more than a service's."""

    def run(task: Task, respond: Respond, seed: int, shown: Shown) -> None:
        align(
            task.prior,
            respond,
            _config(task, route),
            seed=seed,
            transport=task.transport,
            draw=ByRoute(_pools_of(task.name, num_more)),
            on_round=lambda done: shown(done.x),
        )

    def describe(task: Task) -> dict[str, object]:
        config = _config(task, route)
        return {
            "config": config.model_dump(mode="json"),
            "sampling": resolved(task.prior, config).model_dump(mode="json"),
            "stored": NUM_STORED + num_more,
        }

    def prepare(task: Task) -> None:
        _pools_of(task.name, num_more)

    return Method(run, describe=describe, prepare=prepare)


def _config(task: Task, route: RouteOption) -> SessionConfig:
    return changed(task.config, {}, {"route": route})


@cache
def _pools_of(name: str, num_more: int) -> DrawnPools:
    """The same in every cell, once in a process."""
    prior, config = task_of(name).prior, SamplerSettings.model_construct().sampling()
    shipped = read_stored(shipped_priors_dir() / prior.card.name / FILE, prior)
    stored = shipped or drawn(prior, config)
    if num_more:
        stored = _joined(stored, drawn(prior, config, num_more, len(stored.draws) // CHUNK))
    return DrawnPools(stored)


def _joined(one: StoredFile, other: StoredFile) -> StoredFile:
    features = {level: torch.cat([rows, other.features[level]]) for level, rows in one.features.items()}
    x = torch.cat([one.draws.x, other.draws.x])
    return StoredFile(StoredPool(x, one.draws.prior_hash), one.pool_id, features)
