"""Populations by the route that is named or the cheapest adequate one, as the service takes them."""

from __future__ import annotations

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue
from apa.surrogates.base import Prediction, Surrogate
from sampler_service.calls import Job
from sampler_service.drawing import features_of
from sampler_service.population import Population
from sampler_service.potential import Potential
from sampler_service.routes.choosing import RouteChoice
from sampler_service.routes.outlook import reward_of
from sampler_service.routing import Ranked, Routed, Routing
from sampler_service.sampling import sample
from sampler_service.stored_files import StoredFile
from sampler_service.stored_pools import CHUNK, Stored


class ByRoute:
    """Takes the route of each round's job; its stored draws are there from the first on.

    Attributes:
        taken: the route of each population so far, with its reason, and what the denoiser was asked.
    """

    def __init__(self, pools: DrawnPools) -> None:
        self._routing = Routing(pools, AtOnce(), pools.of_items)
        self.taken: list[tuple[RouteChoice, int]] = []

    def __call__(self, job: Job) -> Population | Ranked:
        routed = self._routing.at_once(job) or self._routing.of(job)
        if routed.ranked is not None:
            self.taken.append((routed.choice, routed.denoiser_evaluations))
            return routed.ranked
        population = _run(job, routed)
        asked = routed.denoiser_evaluations + population.denoiser_evaluations
        self.taken.append((routed.choice, asked))
        return population


class DrawnPools:
    """The stored draws of one prior, as a service has them, and the features that surrogates read of them.

    Attributes:
        of_items: likewise of a catalogue's items.
    """

    def __init__(self, file: StoredFile) -> None:
        self._stored = Stored(file.draws, file.pool_id, file.features)
        self._features = dict(file.features)
        self.of_items = ItemFeaturesAtOnce()

    def get(self, prior: Prior) -> Stored:
        self._stored.draws.check(prior)
        return self._stored

    def features(self, stored: Stored, prior: Prior, level: float) -> Tensor:
        if level not in self._features:
            self._features[level] = features_of(prior, stored.draws.x, level)
        return self._features[level]


class AtOnce:
    """Reads rewards where the draws are, all at once."""

    def latent(self, surrogate: Surrogate, x: Tensor, features: Tensor | None) -> Prediction | None:
        known = None if features is None else surrogate.latent_features(features)
        return surrogate.latent_items(x) if known is None else known

    def rewards_denoised(self, prior: Prior, potential: Potential, x: Tensor, t: float) -> Tensor:
        return torch.cat([reward_of(prior, potential, part, t) for part in torch.split(x, CHUNK)])


class ItemFeaturesAtOnce:
    """Features of all items of a catalogue that does not change."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, float], tuple[Catalogue, Tensor]] = {}

    def of(self, prior: Prior, level: float, catalogue: Catalogue) -> Tensor:
        key = (prior.content_hash, level)
        kept = self._kept.get(key)
        if kept is None or kept[0] is not catalogue:
            kept = catalogue, features_of(prior, torch.from_numpy(catalogue.vectors), level)
            self._kept[key] = kept
        return kept[1]


def _run(job: Job, routed: Routed) -> Population:
    config = routed.config.model_copy(update={"route": "steer"})
    return sample(job.prior, job.surrogate, config, num_particles=job.num_particles, start=routed.start)
