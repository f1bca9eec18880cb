"""Fitting several sessions of one prior and family at once; each gets its surrogate, or its own error."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from apa.errors import InvalidArgument
from apa.priors.base import Prior
from apa.records.session import SurrogateFamily
from apa.surrogates.base import Surrogate
from trainer_worker.fit import check, fit
from trainer_worker.fit.encode import Encode, FeatureCache, ItemFeatures, encode_items
from trainer_worker.fit.exact_gp import fit_exact_gps, is_exact
from trainer_worker.fit.gp import coordinates_of, lies_in_features, places
from trainer_worker.fit.stacked import fit_stacked
from trainer_worker.fit.transport import Transport
from trainer_worker.fit.warm import WarmStart
from trainer_worker.observations import Observations
from trainer_worker.outcomes import each

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Problem:
    """What `fit` is given for one session.

    Attributes:
        features: of its items; None for a family that uses none, or reads them itself.
        previous: whose network goes on training; None begins anew.
        warm: what a gp begins from; fitted alone.
    """

    observations: Observations
    seed: int
    features: ItemFeatures | None = None
    previous: Surrogate | None = None
    warm: WarmStart | None = None

    def encode(self, otherwise: Encode) -> Encode:
        """Hands out the features that the problem comes with; `otherwise` where it comes without."""
        features = self.features
        return otherwise if features is None else lambda *_: features


def reads_features(family: SurrogateFamily, prior: Prior, transport: Transport | None) -> bool:
    """Whether the family is fitted on the prior's features of the items."""
    if family == "gp":
        return lies_in_features(prior, transport)
    return family == "linear" and prior.feature_dim > 0


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
    family: SurrogateFamily,
    prior: Prior,
    problems: Sequence[Problem],
    cache: FeatureCache,
    transport: Transport | None = None,
) -> list[Surrogate | Exception]:
    """The surrogate of each session, the same as `fit` gives it alone, but for rounding."""
    stacked = _stacked(family, prior, problems, transport)
    alone = [one for place, one in enumerate(problems) if place not in stacked]
    fitted = iter(each(alone, lambda one: _fit_alone(family, prior, one, cache, transport)))
    return [stacked[place] if place in stacked else next(fitted) for place in range(len(problems))]


def _stacked(
    family: SurrogateFamily, prior: Prior, problems: Sequence[Problem], transport: Transport | None
) -> dict[int, Surrogate]:
    """Those that can be computed as one, by place; none where that fails, and each is fitted alone."""
    found = {
        place: one
        for place, one in enumerate(problems)
        if _stacks(family, one, transport) and _is_sound(prior, one)
    }
    if len(found) < 2:
        return {}
    try:
        return dict(zip(found, _fit_stack(family, prior, list(found.values()), transport), strict=True))
    except Exception:
        logger.warning("sessions are fitted one by one: their stack failed", exc_info=True)
        return {}


def _stacks(family: SurrogateFamily, problem: Problem, transport: Transport | None) -> bool:
    """Whether the fit has a closed form that many sessions share."""
    if family == "gp":
        return is_exact(problem.observations) and problem.warm is None
    scalar = problem.observations.kind == "scalar"
    return family == "linear" and scalar and transport is not None and problem.features is not None


def _fit_stack(
    family: SurrogateFamily, prior: Prior, problems: Sequence[Problem], transport: Transport | None
) -> Sequence[Surrogate]:
    if family == "gp":
        at = coordinates_of(prior, transport)
        given = [
            (one.observations, places(prior, at, one.observations.x, one.seed, one.encode(encode_items)))
            for one in problems
        ]
        return fit_exact_gps(at, given, transport)
    assert transport is not None
    known = [(one.observations, one.features.clean) for one in problems if one.features is not None]
    return fit_stacked(prior, known, transport)


def _is_sound(prior: Prior, problem: Problem) -> bool:
    try:
        check(prior, problem.observations)
    except InvalidArgument:
        return False
    return True


def _fit_alone(
    family: SurrogateFamily, prior: Prior, problem: Problem, cache: FeatureCache, transport: Transport | None
) -> Surrogate:
    one = problem
    return fit(
        family, prior, one.observations, one.seed, one.encode(cache), transport, one.previous, one.warm
    )
