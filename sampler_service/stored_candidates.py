"""Stored draws that a slate is chosen among, none that its session has seen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from apa.surrogates.base import Prediction
from sampler_service.population import Population
from sampler_service.selection import distinct
from sampler_service.showable import Pool
from sampler_service.stored_pools import Stored


@dataclass(frozen=True, eq=False)
class StoredCandidates:
    """M stored draws of a prior without a catalogue, weighted for one target.

    Attributes:
        features: (M, F), of the draws at the data end; None where the surrogate reads none.
        log_weights: (M,), float64.
        latent: (M,) each, the posterior of their latent rewards; None where the denoiser told only these.
    """

    stored: Stored
    features: Tensor | None
    log_weights: Tensor
    latent: Prediction | None = None

    @property
    def all(self) -> Pool:
        """Every one of them, nothing copied."""
        rows = torch.arange(len(self.stored.draws))
        return Pool(rows, self.stored.draws.x, None, self.stored.names, self.features, self.latent)

    def left_out(self, shown_before: Collection[str]) -> Tensor:
        """(M,), true at those whose names are among these."""
        seen = torch.zeros(len(self.stored.draws), dtype=torch.bool)
        rows = self.stored.rows
        seen[[rows[name] for name in shown_before if name in rows]] = True
        return seen

    def whole(self, ranked: Population) -> Population:
        """All of the pool as one weighted population, of the seed of the one that was drawn from it."""
        rows = torch.arange(len(self.stored.draws))
        return replace(ranked, x=self.stored.draws.x, log_weights=self.log_weights, ancestors=rows)

    def settled(self, pool: Pool, prediction: Prediction, ranked: Population) -> tuple[Pool, Prediction]:
        """Without what looks like something before it: all of the pool would be too many to compare."""
        del ranked
        places = distinct(pool.x)
        if len(places) == len(pool):
            return pool, prediction
        return pool.part(places), Prediction(prediction.mean[places], prediction.std[places])
