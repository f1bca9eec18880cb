"""Stored draws that a slate is chosen among, none that its session has seen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sampler_service.population import Population
from sampler_service.showable import Pool
from sampler_service.stored_pools import Stored


@dataclass(frozen=True, eq=False)
class StoredCandidates:
    """M stored draws of a prior without a catalogue, weighted for one target.

    Attributes:
        features: (M, F), of the draws at the data end; None where the surrogate reads none.
        log_weights: (M,), float64.
    """

    stored: Stored
    features: Tensor | None
    log_weights: Tensor

    def unseen(self, shown_before: Collection[str]) -> Pool:
        """Those whose names are not among these."""
        names = [self.stored.name(row) for row in range(len(self.stored.draws))]
        rows = torch.tensor(
            [row for row, name in enumerate(names) if name not in shown_before], dtype=torch.long
        )
        features = None if self.features is None else self.features[rows]
        return Pool(rows, self.stored.draws.x[rows], None, [names[row] for row in rows.tolist()], features)

    def whole(self, ranked: Population) -> Population:
        """All of the pool as one weighted population, of the seed of the one that was drawn from it."""
        rows = torch.arange(len(self.stored.draws))
        return replace(ranked, x=self.stored.draws.x, log_weights=self.log_weights, ancestors=rows)
