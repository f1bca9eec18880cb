"""After a run: distinct candidates, the policy's choice of them, and the slate that shows it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from apa.priors.base import Prior
from apa.records.asking import answers_to, total_rounds
from apa.records.particle import Particle
from apa.records.session import PolicyName
from apa.records.shown import Decoded, ShownItem, ShownSlate
from apa.records.slate import Slate, SlateItem
from apa.surrogates.base import Joint, Prediction, Surrogate
from sampler_service.calls import Job
from sampler_service.decoding import Images, decode, images_here, shown_item
from sampler_service.population import Population
from sampler_service.selection import (
    POLICIES,
    Candidates,
    Choice,
    Policy,
    Round,
    cold_start,
    distinct,
    exploring_start,
    kappa,
    upper_bound,
)

Policies = Mapping[PolicyName, Policy]

NEARBY = 4096
"""Items around the particles that a policy which looks around chooses from."""
SHORT_LIST = 256
"""Of these, whose rewards are looked at together; both measured in docs/decisions/0014."""


@dataclass(frozen=True)
class Pool:
    """M distinct things that could be shown.

    Attributes:
        rows: (M,), which particle each stands for.
        x: (M, *data_shape), what would be shown: the particle, or for a catalogue its item's own vector.
        item_ids: (M,) of a catalogue; None for every other prior.
    """

    rows: Tensor
    x: Tensor
    item_ids: Sequence[str] | None

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, places: Tensor) -> Pool:
        """Only those at places: (K,)."""
        item_ids = None if self.item_ids is None else [self.item_ids[place] for place in places.tolist()]
        return Pool(self.rows[places], self.x[places], item_ids)


def pool_of(
    job: Job, population: Population, shown_before: Collection[str], looks_around: bool = False
) -> Pool:
    """The distinct particles; of a catalogue the distinct items in stock that the call's masks let through,
    none that this session has seen.

    Args:
        looks_around: of a catalogue take the items around the particles too.
    """
    catalogue = job.catalogue
    if catalogue is None:
        rows = distinct(population.x)
        return Pool(rows, population.x[rows], None)
    masks = job.call.masks
    shelf, blocked = masks.shelf(catalogue), masks.blocked(catalogue, shown_before)
    left = len(shelf) - int(shelf.taken(blocked).sum())
    if left == 0:
        return Pool(torch.empty(0, dtype=torch.long), population.x[:0], [])
    x = population.x.cpu().numpy()
    fresh = set(shelf.decode(x).tolist()) - blocked
    # Particles that crowd on the same items settle for distant ones only where the slate would be too short.
    number = min(max(len(fresh), job.num_shown), len(x), left)
    if looks_around:
        decoded = shelf.neighbourhood(x, max(number, NEARBY), blocked)
    else:
        decoded = shelf.decode_distinct(x, number, blocked)
    vectors = torch.from_numpy(catalogue.vectors[decoded.items])
    item_ids = [catalogue.items[position].item_id for position in decoded.items]
    return Pool(torch.from_numpy(decoded.rows), vectors.to(population.x), item_ids)


class Expecting(Protocol):
    """What a surrogate expects of items x: (M, *data_shape), M at least 1; x and answer are on the host."""

    def predict(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Prediction: ...

    def joint(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Joint: ...


class AtOnce:
    """Asks the surrogate where it is, for all items at once."""

    def predict(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Prediction:
        return surrogate.predict(prior, x)

    def joint(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Joint:
        return surrogate.joint(prior, x)


def expected_of(job: Job, pool: Pool, expecting: Expecting) -> Prediction:
    """The reward expected of each of the pool, in the user's units; zeros before anything is learnt."""
    if job.surrogate is None or len(pool) == 0:
        zeros = torch.zeros(len(pool))
        return Prediction(zeros, zeros)
    return expecting.predict(job.prior, job.surrogate, pool.x)


def short_list(pool: Pool, prediction: Prediction, at: Round) -> tuple[Pool, Prediction]:
    """What has the highest upper bounds, in the pool's order; what is known jointly is known of few."""
    if len(pool) <= SHORT_LIST:
        return pool, prediction
    places = upper_bound(prediction, kappa(at)).topk(SHORT_LIST).indices.sort().values
    return pool.part(places), Prediction(prediction.mean[places], prediction.std[places])


def correlation_of(job: Job, pool: Pool, expecting: Expecting) -> Tensor:
    """(M, M) of the rewards of the pool: of the joint posterior only what has no unit."""
    if job.surrogate is None or len(pool) == 0:
        return torch.eye(len(pool), dtype=torch.float64)
    return expecting.joint(job.prior, job.surrogate, pool.x).correlation


def choose(
    job: Job,
    population: Population,
    pool: Pool,
    prediction: Prediction,
    at: Round,
    expecting: Expecting,
    policies: Policies = POLICIES,
) -> list[Choice]:
    """The k to show, each an index into the pool."""
    positions = torch.arange(len(pool))
    assert job.session is not None
    config = job.session.config
    policy = policies[config.policy]
    if job.surrogate is None:
        if policy.looks_around:
            return exploring_start(positions, pool.x, job.num_shown)
        return cold_start(positions, job.num_shown)
    candidates = Candidates(
        positions,
        prediction,
        population.log_weights[pool.rows],
        corrector=job.config.corrector,
        correlation=correlation_of(job, pool, expecting) if policy.needs_correlation else None,
    )
    generator = torch.Generator().manual_seed(population.seed)
    return policy(candidates, job.num_shown, at, generator)


@dataclass(frozen=True)
class Made:
    """A slate as it is stored, with the particles that it shows."""

    slate: Slate
    particles: list[Particle]


def make_slate(
    job: Job,
    population: Population,
    shown_before: Collection[str],
    lifetime_s: float,
    expecting: Expecting,
    policies: Policies = POLICIES,
) -> Made:
    """The slate of a finished run, whose population is on the host."""
    assert job.session is not None
    # A cold start shows draws of the prior as they come.
    looks_around = job.surrogate is not None and policies[job.session.config.policy].looks_around
    pool = pool_of(job, population, shown_before, looks_around)
    prediction = expected_of(job, pool, expecting)
    assert job.reservation is not None
    at = Round(job.reservation.round_index, total_rounds(job.session.config))
    if looks_around:
        pool, prediction = short_list(pool, prediction, at)
    choices = choose(job, population, pool, prediction, at, expecting, policies)
    slate_id = job.reservation.slate_id
    items = tuple(_item(slate_id, place, choice, pool, prediction) for place, choice in enumerate(choices))
    now = time.time()
    slate = Slate(
        slate_id=slate_id,
        session_id=job.session.session_id,
        request_id=job.call.request_id,
        items=items,
        round_index=job.reservation.round_index,
        # Fewer distinct particles than wanted: a shorter slate asks less.
        asked=min(job.reservation.asked, answers_to(job.session.config, len(items))),
        surrogate_version=job.surrogate_version,
        policy="" if job.surrogate is None else job.session.config.policy,
        created_at=now,
        expires_at=now + lifetime_s,
    )
    shown = pool.x[[choice.index for choice in choices]].cpu().numpy().astype(np.float32)
    particles = [Particle(item.particle_id, slate_id, x) for item, x in zip(items, shown, strict=True)]
    return Made(slate, particles)


def _item(slate_id: str, place: int, choice: Choice, pool: Pool, prediction: Prediction) -> SlateItem:
    return SlateItem(
        particle_id=f"{slate_id}-{place}-{secrets.token_hex(4)}",
        population_index=int(pool.rows[choice.index]),
        reason=choice.reason,
        propensity=choice.propensity,
        predicted_mean=float(prediction.mean[choice.index]),
        predicted_std=float(prediction.std[choice.index]),
        score=choice.score,
        item_id=None if pool.item_ids is None else pool.item_ids[choice.index],
    )


def as_shown(
    job: Job, slate: Slate, xs: Sequence[NDArray[np.float32]], images: Images = images_here
) -> ShownSlate:
    """The slate as a caller sees it; xs: the (*data_shape) of each item, in order."""
    items = tuple(
        ShownItem(
            particle_id=item.particle_id,
            population_index=item.population_index,
            x=x,
            reason=item.reason,
            propensity=item.propensity,
            predicted_mean=item.predicted_mean,
            predicted_std=item.predicted_std,
            score=item.score,
            decoded=_decoded(job, item, x, images),
        )
        for item, x in zip(slate.items, xs, strict=True)
    )
    return ShownSlate(
        slate_id=slate.slate_id,
        session_id=slate.session_id,
        items=items,
        round_index=slate.round_index,
        asked=slate.asked,
        surrogate_version=slate.surrogate_version,
        expires_at=slate.expires_at,
        created_at=slate.created_at,
        policy=slate.policy,
    )


def _decoded(job: Job, item: SlateItem, x: NDArray[np.float32], images: Images) -> Decoded:
    if item.item_id is not None and job.catalogue is not None:
        return shown_item(job.catalogue, item.item_id)
    return decode(job.prior, x, images)
