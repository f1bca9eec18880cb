"""Fixed functions in which the heads of all users of one prior can be compared."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.coordinates import Coordinates, FeatureCoordinates
from apa.surrogates.gp import rbf
from trainer_worker.fit.gp import coordinates_of, typical_distance
from trainer_worker.fit.transport import Transport
from trainer_worker.priors.ancestral import ancestral_sample

NUM_FUNCTIONS = 64
NUM_CENTRES = 256
"""Draws of the prior that the functions are made of."""
BANDWIDTH = 0.4
"""Squared, in units of the mean squared distance between two items of the prior; see `gp.BANDWIDTHS`."""
_NUM_STEPS = 50
_SEED = 0
_SMALLEST = 1e-8
"""Eigenvalues of the kernel below this share of the largest are rounding."""


@dataclass(frozen=True, eq=False)
class Functions:
    """phi(z) = k(z, centres) @ to_centres, the kernel's leading eigenfunctions over draws of the prior.

    phi(z) . w with w ~ N(0, I) is the part of a process of covariance k that they span, and what is left is
    independent of it (Williams and Seeger 2001).

    Attributes:
        centres: (C, D). to_centres: (C, P), P at most `NUM_FUNCTIONS`. Both float64.
        bandwidth: of the kernel, in units of the coordinates.
    """

    coordinates: Coordinates
    centres: Tensor
    to_centres: Tensor
    bandwidth: float

    @classmethod
    def of_prior(cls, prior: Prior, transport: Transport | None = None) -> Functions:
        """The same wherever prior and transport are the same."""
        coordinates = coordinates_of(prior, transport)
        lies_in_features = isinstance(coordinates, FeatureCoordinates)
        known = transport if lies_in_features else None
        z = _draws(prior, coordinates, known)
        # As artifacts will carry them.
        z = z.float().double()
        bandwidth = math.sqrt(BANDWIDTH * typical_distance(z, known))
        values, vectors = torch.linalg.eigh(rbf(z, z, bandwidth))
        kept = values > _SMALLEST * values[-1]
        kept[:-NUM_FUNCTIONS] = False
        # Signs are a convention: shares of several machines have to mean the same.
        vectors = vectors * vectors.gather(0, vectors.abs().argmax(dim=0)[None]).sign()
        to_centres = (vectors[:, kept] / values[kept].sqrt()).flip(1)
        return cls(coordinates, z, to_centres, bandwidth)

    def __len__(self) -> int:
        return self.to_centres.shape[1]

    def at(self, z: Tensor) -> Tensor:
        """(M, P), at places z: (M, D), float64."""
        return rbf(z, self.centres, self.bandwidth) @ self.to_centres


def _draws(prior: Prior, coordinates: Coordinates, transport: Transport | None) -> Tensor:
    """(C, D), places of the prior's draws; of features, which take a denoiser's run, as their moments say."""
    if transport is not None and transport.variances is not None:
        generator = torch.Generator().manual_seed(_SEED)
        noise = torch.randn(NUM_CENTRES, len(transport.variances), generator=generator, dtype=torch.float64)
        return noise * transport.variances.sqrt()
    x = ancestral_sample(prior, NUM_CENTRES, _NUM_STEPS, torch.Generator().manual_seed(_SEED))
    return coordinates.of_items(prior, x).double()
