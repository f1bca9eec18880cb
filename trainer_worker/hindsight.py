"""How well the surrogates before had foreseen what was answered since, for a batch of refits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from apa.errors import ApaError, Unavailable
from apa.priors.base import Prior
from apa.records.feedback import Feedback
from apa.records.session import RefitQuality, SurrogateVersion
from apa.store.surrogates import SurrogateStore
from apa.surrogates import Surrogate
from trainer_worker.dataset import unseen
from trainer_worker.fit.together import Problem
from trainer_worker.foreseen import foreseen, joint_of
from trainer_worker.quality import refit_quality

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Past:
    """A session that has a surrogate, and what is fitted now.

    Attributes:
        current, surrogate: the one before; None for a surrogate that cannot be read, or of another prior.
        answers: what is learnt from, in order.
        num_seen: how many of the answers, from the first on, the one before has learnt from.
    """

    session_id: str
    current: SurrogateVersion
    surrogate: Surrogate | None
    answers: Sequence[Feedback]
    num_seen: int
    problem: Problem


def qualities(surrogates: SurrogateStore, prior: Prior, pasts: Sequence[Past]) -> list[RefitQuality]:
    """The quality of each refit, in one round trip. What cannot be looked back at leaves beta as it is.

    Raises:
        Unavailable: the store is away.
    """
    if not pasts:
        return []
    versions = surrogates.versions_of([past.session_id for past in pasts])
    return [_quality(prior, past, kept) for past, kept in zip(pasts, versions, strict=True)]


def _quality(prior: Prior, past: Past, kept: list[SurrogateVersion] | ApaError) -> RefitQuality:
    unchanged = RefitQuality(beta_factor=past.current.beta_factor)
    if past.surrogate is None:
        return unchanged
    try:
        return _measured(prior, past, past.surrogate, _sound(kept))
    except Unavailable:
        raise
    except ApaError as error:
        logger.warning("the surrogate of session %s is not looked back at: %s", past.session_id, error)
        return unchanged


def _measured(
    prior: Prior, past: Past, surrogate: Surrogate, kept: Sequence[SurrogateVersion]
) -> RefitQuality:
    observations = past.problem.observations
    new = unseen(observations, past.answers, past.num_seen)
    if not bool(new.any()):
        return RefitQuality(beta_factor=past.current.beta_factor)
    features = None if past.problem.features is None else past.problem.features.clean
    joint = joint_of(surrogate, prior, observations.x, features)
    found = foreseen(surrogate, joint, observations, new)
    return refit_quality(found, [version.quality for version in kept if version.quality is not None])


def _sound(found: list[SurrogateVersion] | ApaError) -> list[SurrogateVersion]:
    if isinstance(found, ApaError):
        raise found
    return found
