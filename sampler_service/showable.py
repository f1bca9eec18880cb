"""What could be shown of a finished run: its distinct particles, or the items of a catalogue around them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.surrogates.base import Prediction
from sampler_service.calls import Job
from sampler_service.population import Population
from sampler_service.selection import Round, distinct, kappa, upper_bound

NEARBY = 4096
"""Items around the particles that a policy which looks around chooses from."""
SHORT_LIST = 256
"""Of these, whose rewards are looked at together; both measured in docs/decisions/0014."""


@dataclass(frozen=True)
class Pool:
    """M distinct things that could be shown.

    Attributes:
        rows: (M,), which particle each stands for.
        x: (M, *data_shape), what would be shown: the particle, or for a catalogue its item's own vector.
        item_ids: (M,) of a catalogue; None for every other prior.
        stored: (M,), names of stored draws; None where they are none.
        features: (M, F), of these at the data end; None where they are not known.
        latent: (M,) each, the posterior of their latent rewards; None where it is not known.
    """

    rows: Tensor
    x: Tensor
    item_ids: Sequence[str] | None
    stored: Sequence[str] | None = None
    features: Tensor | None = None
    latent: Prediction | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, places: Tensor) -> Pool:
        """Only those at places: (K,)."""
        item_ids = None if self.item_ids is None else [self.item_ids[place] for place in places.tolist()]
        stored = None if self.stored is None else [self.stored[place] for place in places.tolist()]
        features = None if self.features is None else self.features[places]
        latent = None if self.latent is None else Prediction(*(of[places] for of in self.latent))
        return Pool(self.rows[places], self.x[places], item_ids, stored, features, latent)


def pool_of(
    job: Job, population: Population, shown_before: Collection[str], looks_around: bool = False
) -> Pool:
    """The distinct particles; of a catalogue the distinct items in stock that the call's masks let through,
    none that this session has seen.

    Args:
        looks_around: of a catalogue take the items around the particles too.
    """
    catalogue = job.catalogue
    if catalogue is None:
        rows = distinct(population.x)
        return Pool(rows, population.x[rows], None)
    masks = job.call.masks
    shelf, blocked = masks.shelf(catalogue), masks.blocked(catalogue, shown_before)
    left = len(shelf) - int(shelf.taken(blocked).sum())
    if left == 0:
        return Pool(torch.empty(0, dtype=torch.long), population.x[:0], [])
    x = population.x.cpu().numpy()
    fresh = set(shelf.decode(x).tolist()) - blocked
    # Particles that crowd on the same items settle for distant ones only where the slate would be too short.
    number = min(max(len(fresh), job.num_shown), len(x), left)
    if looks_around:
        decoded = shelf.neighbourhood(x, max(number, NEARBY), blocked)
    else:
        decoded = shelf.decode_distinct(x, number, blocked)
    vectors = torch.from_numpy(catalogue.vectors[decoded.items])
    item_ids = [catalogue.items[position].item_id for position in decoded.items]
    return Pool(torch.from_numpy(decoded.rows), vectors.to(population.x), item_ids)


def short_list(
    pool: Pool, prediction: Prediction, at: Round, left_out: Tensor | None = None
) -> tuple[Pool, Prediction]:
    """What has the highest upper bounds, in the pool's order; what is known jointly is known of few.

    Args:
        left_out: (M,), true at what is not to be in it.
    """
    if len(pool) <= SHORT_LIST and left_out is None:
        return pool, prediction
    bounds, number = upper_bound(prediction, kappa(at)), len(pool)
    if left_out is not None:
        bounds = bounds.masked_fill(left_out, -torch.inf)
        number -= int(left_out.sum())
    places = bounds.topk(min(SHORT_LIST, number)).indices.sort().values
    return pool.part(places), Prediction(prediction.mean[places], prediction.std[places])
