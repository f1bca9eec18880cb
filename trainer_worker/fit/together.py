"""Fitting several sessions of one prior and family at once; each gets its surrogate, or its own error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from apa.priors.base import Prior
from apa.records.session import SurrogateFamily
from apa.surrogates.base import Surrogate
from trainer_worker.fit import fit
from trainer_worker.fit.encode import FeatureCache, ItemFeatures
from trainer_worker.fit.transport import Transport
from trainer_worker.observations import Observations
from trainer_worker.outcomes import each


@dataclass(frozen=True, eq=False)
class Problem:
    """What `fit` is given for one session.

    Attributes:
        features: of its items; None for a family that uses none.
    """

    observations: Observations
    seed: int
    features: ItemFeatures | None = None


def encoded(
    prior: Prior, problems: Sequence[Problem], cache: FeatureCache, with_noise: bool
) -> list[Problem]:
    """The problems with the features of their items, what is new of all of them encoded together."""
    if not problems:
        return []
    x = torch.cat([one.observations.x for one in problems])
    seeds = [one.seed for one in problems for _ in one.observations.x]
    features = cache.of_users(prior, x, seeds, with_noise)
    sizes = [len(one.observations.x) for one in problems]
    clean, noised = torch.split(features.clean, sizes), torch.split(features.noised, sizes, dim=2)
    parts = zip(problems, map(ItemFeatures, clean, noised), strict=True)
    return [replace(one, features=part) for one, part in parts]


def fit_together(
    family: SurrogateFamily, prior: Prior, problems: Sequence[Problem], transport: Transport | None = None
) -> list[Surrogate | Exception]:
    """The surrogate of each session, the same as `fit` gives it alone."""
    return each(problems, lambda one: _fit_alone(family, prior, one, transport))


def _fit_alone(
    family: SurrogateFamily, prior: Prior, problem: Problem, transport: Transport | None
) -> Surrogate:
    if problem.features is None:
        return fit(family, prior, problem.observations, problem.seed, transport=transport)
    features = problem.features
    return fit(family, prior, problem.observations, problem.seed, lambda *_: features, transport)
