"""After a run: distinct candidates, the policy's choice of them, and the slate that shows it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from apa.records.asking import answers_to, total_rounds
from apa.records.particle import Particle
from apa.records.session import PolicyName
from apa.records.shown import Decoded, ShownItem, ShownSlate
from apa.records.slate import Slate, SlateItem
from apa.surrogates.base import Prediction
from sampler_service.calls import Job
from sampler_service.decoding import Images, decode, images_here, shown_item
from sampler_service.exhaustive import Exhaustive, short_list_of
from sampler_service.expecting import Expecting, correlation_of, expected_of
from sampler_service.population import Population
from sampler_service.selection import (
    POLICIES,
    Candidates,
    Choice,
    Policy,
    Round,
    cold_start,
    exploring_start,
)
from sampler_service.showable import Pool, pool_of, short_list

Policies = Mapping[PolicyName, Policy]


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
    everything: Exhaustive | None = None,
) -> Made:
    """The slate of a finished run, whose population is on the host.

    Args:
        everything: choose among all of these instead; the population is of draws for the run's target.
    """
    assert job.session is not None
    assert job.reservation is not None
    at = Round(job.reservation.round_index, total_rounds(job.session.config))
    if everything is None:
        # A cold start shows draws of the prior as they come.
        looks_around = job.surrogate is not None and policies[job.session.config.policy].looks_around
        pool = pool_of(job, population, shown_before, looks_around)
        prediction = expected_of(job, pool, expecting)
        if looks_around:
            pool, prediction = short_list(pool, prediction, at)
    else:
        pool, prediction = short_list_of(job, everything, population, shown_before, at, expecting)
        population = everything.whole(population)
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
        stored_draw=None if pool.stored is None else pool.stored[choice.index],
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
            stored_draw=item.stored_draw or "",
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
