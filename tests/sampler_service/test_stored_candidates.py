"""Ranked stored draws: what was told of them once is what they are chosen by."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from apa.surrogates.base import Surrogate
from apa.surrogates.linear import data_end_features
from sampler_service.expecting import AtOnce
from sampler_service.masks import NO_MASKS
from sampler_service.routes.stored_pool import StoredPool
from sampler_service.selection import Round, kappa, upper_bound
from sampler_service.showing import make_slate
from sampler_service.stored_candidates import StoredCandidates
from sampler_service.stored_pools import Stored
from tests.apa.surrogates.toys import ToyPrior, draw, random_gp, random_surrogate
from tests.sampler_service.test_masks import catalogue_of, job_of, population_of

PRIOR = ToyPrior((3,))
X = draw(PRIOR, 700)


def candidates(surrogate: Surrogate, *, told: bool) -> StoredCandidates:
    level = surrogate.feature_level
    features = None if level is None else data_end_features(PRIOR, X, level)
    latent = surrogate.latent_items(X.double()) if features is None else surrogate.latent_features(features)
    assert latent is not None
    stored = Stored(StoredPool(X, PRIOR.content_hash), "pool")
    return StoredCandidates(stored, features, 2.0 * latent.mean, latent if told else None)


@pytest.mark.parametrize(
    "surrogate",
    [random_surrogate(3), random_gp(3), random_gp(3, "item"), replace(random_gp(3), link="logistic")],
    ids=["linear", "gp", "gp on items", "likes"],
)
def test_the_best_draws_are_shown_whether_they_are_looked_at_once_or_twice(surrogate: Surrogate) -> None:
    job = replace(job_of("ucb", 8, NO_MASKS, catalogue_of(0, set(), set()), learnt=True), surrogate=surrogate)
    job, seen = replace(job, catalogue=None), {"pool-5", "pool-699", "other-3"}
    slates = [
        make_slate(
            job, population_of(1), seen, 60.0, AtOnce(), everything=candidates(surrogate, told=told)
        ).slate.items
        for told in (True, False)
    ]

    bounds = upper_bound(surrogate.predict(PRIOR, X), kappa(Round(0, 10)))
    bounds[[5, 699]] = -torch.inf
    # Look-alikes of a better draw are left out, so that what is shown is among the best of them.
    best = bounds.topk(64).indices.tolist()
    for items in slates:
        rows = [item.population_index for item in items]
        assert [item.stored_draw for item in items] == [f"pool-{row}" for row in rows]
        assert rows == [row for row in best if row in set(rows)]
        assert rows[0] == best[0]
        means = surrogate.predict(PRIOR, X).mean[rows]
        torch.testing.assert_close(torch.tensor([item.predicted_mean for item in items]).double(), means)
    assert [item.stored_draw for item in slates[0]] == [item.stored_draw for item in slates[1]]
