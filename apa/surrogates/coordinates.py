"""Where an item lies for a kernel, and where a particle on its way is expected to come to lie."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from apa.errors import FailedPrecondition
from apa.priors.base import Denoised, Prior
from apa.priors.schedule import VPSchedule
from apa.surrogates.interpolation import place
from apa.surrogates.linear import data_end_features


class Coordinates(ABC):
    """A space of D coordinates in which items that lie close are alike.

    Attributes:
        prior_hash: of the prior whose features they are made of; "" when they are the item itself.
    """

    prior_hash: str = ""

    @abstractmethod
    def along(self, t: Tensor, denoised: Denoised) -> Tensor:
        """(N, D), where the data of particles at t: (N,) are expected, attached to their graphs."""

    @abstractmethod
    def of_items(self, prior: Prior, x_0: Tensor) -> Tensor:
        """(M, D), of items x_0: (M, *data_shape)."""

    @property
    @abstractmethod
    def key(self) -> Hashable:
        """The same for coordinates that are the same."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """The same with its tensors on a device."""


@dataclass(frozen=True, eq=False)
class ItemCoordinates(Coordinates):
    """The item's own numbers; on the way there, those of the denoised estimate."""

    def along(self, t: Tensor, denoised: Denoised) -> Tensor:
        del t
        return denoised.x_0_hat.flatten(1)

    def of_items(self, prior: Prior, x_0: Tensor) -> Tensor:
        del prior
        return x_0.flatten(1)

    @property
    def key(self) -> Hashable:
        return "item"

    def to(self, device: torch.device | str) -> Self:
        del device
        return self


@dataclass(frozen=True, eq=False)
class FeatureCoordinates(Coordinates):
    """Principal directions of the prior's clean features; on the way, their expectation given noised ones.

    At each noise level that expectation is phi(x_t, t) @ maps[l] + offsets[l]; between levels it is
    interpolated in log-SNR.

    Attributes:
        levels: (L,), log-SNR, ascending; the last is the data end.
        maps: (L, F, D). offsets: (L, D).
    """

    schedule: VPSchedule
    levels: Tensor
    maps: Tensor
    offsets: Tensor
    prior_hash: str

    def along(self, t: Tensor, denoised: Denoised) -> Tensor:
        phi = denoised.features
        num_levels, width, dim = self.maps.shape
        at = place(self.levels, self.schedule.log_snr(t))
        # All levels by one product: to gather a map for each particle would copy L times as much.
        wide = self.maps.to(phi).permute(1, 0, 2).reshape(width, num_levels * dim)
        every = (phi @ wide).reshape(len(phi), num_levels, dim) + self.offsets.to(phi)
        rows = torch.arange(len(phi), device=phi.device)
        return torch.lerp(every[rows, at.lower], every[rows, at.upper], at.fraction[:, None])

    def of_items(self, prior: Prior, x_0: Tensor) -> Tensor:
        """Raises FailedPrecondition when the prior is not the one whose features these are."""
        if prior.content_hash != self.prior_hash:
            raise FailedPrecondition(
                "the surrogate was fitted on the features of another prior",
                field="prior",
                expected=self.prior_hash[:16],
                found=prior.content_hash[:16],
            )
        return self.of_features(data_end_features(prior, x_0, self.level_values[-1]))

    def of_features(self, clean: Tensor) -> Tensor:
        """(M, D), of the clean features (M, F) of items."""
        return clean @ self.maps[-1].to(clean) + self.offsets[-1].to(clean)

    @cached_property
    def level_values(self) -> tuple[float, ...]:
        """`levels` on the host."""
        return tuple(self.levels.tolist())

    @cached_property
    def digest(self) -> str:
        """Of the maps: users of one prior share them."""
        return hashlib.sha256(self.maps.cpu().contiguous().numpy().tobytes()).hexdigest()

    @property
    def key(self) -> Hashable:
        return (self.prior_hash, self.digest, self.level_values)

    def to(self, device: torch.device | str) -> Self:
        moved = replace(
            self,
            levels=self.levels.to(device),
            maps=self.maps.to(device),
            offsets=self.offsets.to(device),
        )
        # Read before the move, once.
        vars(moved).update(level_values=self.level_values, digest=self.digest)
        return moved
