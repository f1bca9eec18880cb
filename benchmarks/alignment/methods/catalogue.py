"""Without a diffusion model, where items can be enumerated: LinUCB, and scoring everything with our head."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from alignment import Respond
from benchmarks.alignment.methods.method import Shown, align_drawn, seeded, spend
from benchmarks.alignment.tasks import Task
from benchmarks.alignment.tasks.films import Films
from sampler_service import Population
from sampler_service.calls import Job
from trainer_worker.observations import Observations

ALPHA = 1.0
"""Width of LinUCB's confidence bound (Li et al. 2010), on rewards in [0, 1] and vectors of length one."""
RIDGE = 1.0
SHORT_LIST = 256
"""Of the whole catalogue, by mean plus standard deviation, what the policy then looks around; more than a
session shows."""


def is_films(task: Task) -> bool:
    return isinstance(task, Films)


def linucb(task: Task, respond: Respond, seed: int, shown: Shown) -> None:
    """Ridge regression on the items' own vectors, the largest upper bounds, none shown twice."""
    films = cast(Films, task)
    features = _unit(films.vectors)
    seen = torch.zeros(len(features), dtype=torch.bool)

    def propose(so_far: Observations | None, k: int, round_index: int) -> Tensor:
        if so_far is None:
            chosen = torch.randperm(len(features), generator=seeded(seed, round_index))[:k]
        else:
            answered = features[torch.from_numpy(films.items(so_far.x))][so_far.item_of_value]
            chosen = _largest_bounds(features, answered, so_far.values, seen, k)
        seen[chosen] = True
        return films.vectors[chosen]

    spend(task, respond, shown, propose)


def _largest_bounds(features: Tensor, answered: Tensor, values: Tensor, seen: Tensor, k: int) -> Tensor:
    """(k,) rows; each pick counts as answered with its mean before the next, as its width then shrinks."""
    precision = RIDGE * torch.eye(features.shape[1], dtype=torch.float64) + answered.T @ answered
    covariance = torch.linalg.inv(precision)
    mean = features @ (covariance @ (answered.T @ values))
    chosen: list[int] = []
    for _ in range(k):
        width = ((features @ covariance) * features).sum(dim=1).clamp(min=0.0).sqrt()
        bound = torch.where(seen, -torch.inf, mean + ALPHA * width)
        bound[chosen] = -torch.inf
        chosen.append(int(bound.argmax()))
        along = covariance @ features[chosen[-1]]
        covariance = covariance - torch.outer(along, along) / (1.0 + features[chosen[-1]] @ along)
    return torch.tensor(chosen)


def _unit(vectors: Tensor) -> Tensor:
    """(N, D + 1), float64: centred vectors of length one, and the intercept's column."""
    centred = vectors.double() - vectors.double().mean(dim=0)
    centred = centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return torch.cat([centred, torch.ones(len(centred), 1, dtype=torch.float64)], dim=1)


def exhaustive(task: Task, respond: Respond, seed: int, shown: Shown) -> None:
    """The same head and policy as our default's, on every item instead of on a steered population."""
    films = cast(Films, task)

    def draw(job: Job) -> Population:
        assert job.config.seed is not None, "a job's seed is drawn"
        if job.surrogate is None:
            generator = torch.Generator().manual_seed(job.config.seed)
            rows = torch.randperm(len(films.vectors), generator=generator)[: job.num_particles]
        else:
            expected = job.surrogate.predict(job.prior, films.vectors)
            rows = (expected.mean + expected.std).topk(SHORT_LIST).indices
        return population_of(films.vectors[rows], job.config.seed)

    align_drawn(task, respond, seed, shown, draw)


def population_of(x: Tensor, seed: int) -> Population:
    """Items x: (M, *data_shape) as a population of equal weights."""
    return Population(
        x=x,
        log_weights=torch.zeros(len(x), dtype=torch.float64),
        log_z=None,
        kl_to_prior=None,
        ess_history=(),
        ancestors=torch.arange(len(x)),
        num_resamplings=0,
        unique_ancestors=len(x),
        clip_events=0,
        seed=seed,
    )
