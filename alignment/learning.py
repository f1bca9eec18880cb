"""What a round teaches, as the trainer's worker learns it: fit, artifact, gate."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.records.session import RefitQuality, SessionConfig
from apa.surrogates import Surrogate, load
from trainer_worker import gate
from trainer_worker.fit import FeatureCache, Transport, WarmStart, fit
from trainer_worker.fit.together import reads_features
from trainer_worker.foreseen import foreseen, joint_of
from trainer_worker.observations import Observations
from trainer_worker.quality import refit_quality

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learner:
    """Fits the surrogates of one alignment; the arguments are those of `align`."""

    prior: Prior
    config: SessionConfig
    seed: int
    transport: Transport | None
    cache: FeatureCache
    cohort: WarmStart | None = None

    def before_answers(self) -> Surrogate | None:
        """What the first slate is steered by: what the cohort likes."""
        if self.cohort is None:
            return None
        return load(self.cohort.before_answers(self.config.feedback_kind).to_bytes())

    def learn(self, rounds: Sequence[Observations], current: Surrogate | None) -> Surrogate | None:
        """The surrogate of the answers of all rounds so far; the current one where the gate refuses it.

        A session that is refitted on each round alone lets the current one's network go on training on the
        last.
        """
        previous = current if self.config.refit_on == "round" else None
        learnt = joined(rounds) if previous is None else rounds[-1]
        blob = self.fitted(learnt, previous).to_bytes()
        fresh = torch.arange(len(learnt)) >= len(learnt) - len(rounds[-1])
        # What a cohort likes is in no user's own units.
        own = current is not None and (self.cohort is None or len(rounds) > 1)
        rival = gate.Rival(current, fresh) if current is not None and own else None
        try:
            gate.check(blob, self.prior, learnt, rival=rival)
        except gate.RefusedError as refused:
            logger.warning("the surrogate before it goes on: %s", refused)
            return current
        return load(blob)

    def fitted(self, learnt: Observations, previous: Surrogate | None) -> Surrogate:
        """Before the gate."""
        family, seed = self.config.surrogate, self.seed
        return fit(family, self.prior, learnt, seed, self.cache, self.transport, previous, self.cohort)

    def look_back(
        self,
        rounds: Sequence[Observations],
        current: Surrogate | None,
        before: Sequence[RefitQuality],
    ) -> RefitQuality | None:
        """How well the current surrogate had foreseen the answers of the last round; None without one,
        or where it had seen no answer.

        Args:
            before: the qualities of earlier rounds, newest first.
        """
        if current is None or (self.cohort is not None and len(rounds) == 1):
            return None
        so_far = joined(rounds)
        unseen = torch.arange(len(so_far)) >= len(so_far) - len(rounds[-1])
        joint = joint_of(current, self.prior, so_far.x, self._features(so_far.x))
        return refit_quality(foreseen(current, joint, so_far, unseen), before)

    def _features(self, x: Tensor) -> Tensor | None:
        """(M, F) of items at the data end, from the cache; None for a surrogate that reads anything else."""
        if not reads_features(self.config.surrogate, self.prior, self.transport):
            return None
        return self.cache(self.prior, x, self.seed, self.transport is None).clean


def joined(parts: Sequence[Observations]) -> Observations:
    """The answers of several slates as one set, in order."""
    rows: list[tuple[int, ...]] = []
    offset = 0
    for part in parts:
        rows += [tuple(row + offset for row in named) for named in part.rows]
        offset += len(part.x)
    return Observations(
        x=torch.cat([part.x for part in parts]),
        kind=parts[0].kind,
        rows=tuple(rows),
        values=torch.cat([part.values for part in parts]),
    )
