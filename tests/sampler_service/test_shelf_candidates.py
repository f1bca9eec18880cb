"""A ranked slate of a catalogue is chosen among every item that may be shown, and shows no other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from apa.priors.catalogue import Catalogue, Change
from apa.records.session import PolicyName
from apa.records.slate import SlateItem
from apa.surrogates.base import Surrogate
from apa.surrogates.linear import data_end_features
from sampler_service.calls import Job
from sampler_service.expecting import AtOnce
from sampler_service.masks import NO_MASKS, Masks, masks_of
from sampler_service.selection import Round, kappa, upper_bound
from sampler_service.shelf_candidates import ShelfCandidates
from sampler_service.showable import SHORT_LIST
from sampler_service.showing import make_slate
from tests.apa.surrogates.toys import ToyPrior, random_gp, random_surrogate
from tests.sampler_service.test_masks import ITEM_IDS, SOME, N, catalogue_of, job_of, population_of

SURROGATES: list[Surrogate] = [random_surrogate(3), random_gp(3), random_gp(3, "item")]
LIKES = replace(random_gp(3, "item"), link="logistic", weight_std=2.0)
NAMES = ["linear", "gp", "gp on items"]


def everything(job: Job, surrogate: Surrogate) -> ShelfCandidates:
    """With features of all items, where the surrogate reads them."""
    assert job.catalogue is not None
    level = surrogate.feature_level
    x = torch.from_numpy(job.catalogue.vectors)
    features = None if level is None else data_end_features(ToyPrior((3,)), x, level)
    return ShelfCandidates(job.catalogue, job.call.masks, features)


def ranked(job: Job, surrogate: Surrogate, seed: int, seen: set[str]) -> tuple[SlateItem, ...]:
    job = replace(job, surrogate=surrogate)
    made = make_slate(job, population_of(seed), seen, 60.0, AtOnce(), everything=everything(job, surrogate))
    return made.slate.items


@pytest.mark.parametrize("policy", get_args(PolicyName))
@settings(max_examples=25)
@given(
    excluded=SOME,
    only=SOME,
    sold=SOME,
    deleted=SOME,
    seen=SOME,
    k=st.integers(1, N),
    seed=st.integers(0, 99),
    surrogate=st.sampled_from(SURROGATES),
)
def test_no_ranked_slate_shows_what_is_ruled_out_and_none_is_shorter_than_it_must_be(
    policy: PolicyName,
    excluded: set[str],
    only: set[str],
    sold: set[str],
    deleted: set[str],
    seen: set[str],
    k: int,
    seed: int,
    surrogate: Surrogate,
) -> None:
    masks = masks_of(sorted(excluded), sorted(only))
    job = job_of(policy, k, masks, catalogue_of(seed, sold, deleted), learnt=True)

    items = ranked(job, surrogate, seed, seen)

    allowed = set(ITEM_IDS) - excluded - sold - deleted - seen
    if only:
        allowed &= only
    shown = [item.item_id for item in items]
    assert len(set(shown)) == len(shown) == min(k, len(allowed))
    assert set(shown) <= allowed
    assert all(0.0 < item.propensity <= 1.0 for item in items)


@pytest.mark.parametrize("surrogate", [*SURROGATES, LIKES], ids=[*NAMES, "likes"])
@pytest.mark.parametrize("masks", [NO_MASKS, Masks(only=frozenset(f"n{n}" for n in range(0, 3000, 7)))])
def test_the_slate_is_the_best_of_all_by_brute_force(surrogate: Surrogate, masks: Masks) -> None:
    catalogue = large(3000)
    job = job_of("ucb", 8, masks, catalogue, learnt=True)
    items = ranked(job, surrogate, 1, seen={"n21", "n42", "n5"})

    prediction = surrogate.predict(ToyPrior((3,)), torch.from_numpy(catalogue.vectors))
    at = Round(0, 10)
    bounds = upper_bound(prediction, kappa(at)).tolist()
    allowed = [
        (bounds[place], item_id)
        for item_id, place in catalogue.positions.items()
        if item_id not in {"n21", "n42", "n5"} and catalogue.shown[place]
        if not masks.only or item_id in masks.only
    ]
    best = [item_id for _, item_id in sorted(allowed, reverse=True)[:8]]
    assert [item.item_id for item in items] == best
    for item in items:
        place = catalogue.positions[item.item_id or ""]
        assert item.predicted_mean == pytest.approx(float(prediction.mean[place]), abs=1e-5)
        assert item.predicted_std == pytest.approx(float(prediction.std[place]), abs=1e-4)


def test_an_item_stands_for_the_particle_nearest_to_it() -> None:
    job = job_of("batch_ucb", 8, NO_MASKS, large(3000), learnt=True)
    population = population_of(5)
    for item in ranked(job, SURROGATES[2], 5, set()):
        assert job.catalogue is not None
        vector = job.catalogue.vectors[job.catalogue.positions[item.item_id or ""]]
        distances = np.square(population.x.numpy() - vector).sum(axis=1)
        assert item.population_index == int(distances.argmin())


def test_a_seed_gives_the_same_slate_again() -> None:
    job = job_of("thompson", 8, NO_MASKS, large(3000), learnt=True)
    again = [[item.item_id for item in ranked(job, SURROGATES[2], seed, set())] for seed in (7, 7, 8)]
    assert again[0] == again[1] != again[2]


def test_every_policy_chooses_among_the_short_list_of_which_no_record_is_read() -> None:
    catalogue = large(3000)
    job = job_of("gumbel_top_k", 8, NO_MASKS, catalogue, learnt=True)
    prediction = SURROGATES[2].predict(ToyPrior((3,)), torch.from_numpy(catalogue.vectors))
    bounds = upper_bound(prediction, kappa(Round(0, 10))).masked_fill(
        torch.from_numpy(~catalogue.shown), -torch.inf
    )
    listed = {catalogue.item_id(place) for place in bounds.topk(SHORT_LIST).indices.tolist()}

    for seed in range(20):
        assert {item.item_id for item in ranked(job, SURROGATES[2], seed, set())} <= listed


def large(count: int) -> Catalogue:
    """More than are looked at together, every fifth out of stock; records that nobody may read."""
    names = [f"n{n}" for n in range(count)]
    vectors = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    unreadable = json.dumps("not a record").encode()
    return Catalogue([], np.empty((0, 3), np.float32)).changed(
        Change(names, [(name, unreadable) for name in names], vectors, np.arange(count) % 5 != 0)
    )
