"""Draws of a prior that are kept: ready before anybody asks, and the same for everybody."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.errors import FailedPrecondition
from apa.priors.base import Prior
from apa.records.sampling import SamplingConfig
from sampler_service.sampling import sample

NUM_STORED = 4096
"""Draws of a pool, unless somebody says otherwise."""


@dataclass(frozen=True, eq=False)
class StoredPool:
    """M draws of one prior.

    Attributes:
        x: (M, *data_shape).
        prior_hash: content hash of the prior that drew them.
        generation: counts the pools of a prior; each has other draws.
    """

    x: Tensor
    prior_hash: str
    generation: int = 0

    def __len__(self) -> int:
        return len(self.x)

    def check(self, prior: Prior) -> None:
        """Raises FailedPrecondition unless the prior is the one that drew them."""
        if prior.content_hash != self.prior_hash:
            raise FailedPrecondition(
                "the stored draws are another prior's",
                field="pool",
                expected=prior.content_hash[:16],
                found=self.prior_hash[:16],
            )


def draw_pool(
    prior: Prior,
    num_stored: int = NUM_STORED,
    config: SamplingConfig | None = None,
    *,
    generation: int = 0,
    device: torch.device | str = "cpu",
) -> StoredPool:
    """Draws a pool by the prior's own steps; the same prior, config and generation give the same draws.

    Args:
        config: of a run; only its steps matter, as nothing steers.
        device: where the prior is.
    """
    seed = seed_of(prior.content_hash, generation)
    unsteered = (config or SamplingConfig()).model_copy(update={"corrector": "none", "seed": seed})
    generator = torch.Generator(device)
    drawn = sample(prior, None, unsteered, num_particles=num_stored, generator=generator)
    return StoredPool(drawn.x, prior.content_hash, generation)


def seed_of(content_hash: str, generation: int) -> int:
    """Of its own for every prior and generation, so that replicas of a service agree without a word."""
    digest = hashlib.sha256(f"{content_hash} {generation}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 2**63
