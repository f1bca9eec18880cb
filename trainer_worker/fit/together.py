"""Fitting several sessions of one prior and family at once; each gets its surrogate, or its own error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from apa.priors.base import Prior
from apa.records.session import SurrogateFamily
from apa.surrogates.base import Surrogate
from trainer_worker.fit import fit
from trainer_worker.fit.encode import FeatureCache
from trainer_worker.fit.transport import Transport
from trainer_worker.observations import Observations
from trainer_worker.outcomes import each


class Problem(NamedTuple):
    """What `fit` is given for one session."""

    observations: Observations
    seed: int


def fit_together(
    family: SurrogateFamily,
    prior: Prior,
    problems: Sequence[Problem],
    cache: FeatureCache,
    transport: Transport | None = None,
) -> list[Surrogate | Exception]:
    """The surrogate of each session, the same as `fit` gives it alone."""
    return each(problems, lambda one: fit(family, prior, one.observations, one.seed, cache, transport))
