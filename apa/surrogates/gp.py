"""A Gaussian process over the space in which items are alike: liked things may lie in several places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from apa.priors.base import Denoised, Prior
from apa.priors.schedule import VPSchedule
from apa.surrogates.base import Joint, Prediction, Surrogate
from apa.surrogates.coordinates import Coordinates, FeatureCoordinates, ItemCoordinates
from apa.surrogates.link import Link
from apa.surrogates.parts import Description, check_shapes, damaged, describe, encode


class GpDescription(Description):
    """The part of a GP artifact that is not tensors."""

    family: Literal["gp"] = "gp"
    space: Literal["item", "features"]
    noise_rate_min: float
    noise_rate_max: float
    bandwidth: float = Field(gt=0.0)
    intercept: float
    intercept_scale: float
    weight_std: float = Field(ge=0.0)
    reward_mean: float
    reward_scale: float = Field(gt=0.0)
    link: Link = "identity"


def rbf(a: Tensor, b: Tensor, bandwidth: float | Tensor) -> Tensor:
    """(..., N, M), exp(-|a - b|^2 / (2 bandwidth^2)) of points a (..., N, D) and b (..., M, D)."""
    # By products: (N, M) numbers, where differences would be (N, M, D).
    squares = a.square().sum(dim=-1, keepdim=True) + b.square().sum(dim=-1)[..., None, :]
    distance = squares - 2.0 * a @ b.transpose(-1, -2)
    return torch.exp(-0.5 * distance.clamp(min=0.0) / bandwidth**2)


@dataclass(frozen=True, eq=False)
class GpSurrogate(Surrogate):
    """r = k(z, items) . alpha + intercept, at the place z where a particle is expected to come to lie.

    Its posterior covariance is weight_std^2 (k(z, z') + intercept_scale^2 - a . a'), where
    a = factor [k(z, items), 1]. Rewards, or logits where the link is logistic, are standardised.

    Attributes:
        items: (M, D), coordinates of what was observed. alpha: (M,).
        bandwidth: of the kernel, in units of the coordinates.
        factor: (K, M + 1).
    """

    family: ClassVar[str] = "gp"
    depends_on_t: ClassVar[bool] = True

    coordinates: Coordinates
    items: Tensor
    alpha: Tensor
    intercept: float
    bandwidth: float
    factor: Tensor
    intercept_scale: float
    weight_std: float
    reward_mean: float
    reward_scale: float
    link: Link = "identity"

    @property
    def prior_hash(self) -> str:  # type: ignore[override]
        return self.coordinates.prior_hash

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        del x_t  # It acts through the denoiser's answer, which is still attached to it.
        return self.at(self.coordinates.along(t, denoised))

    def at(self, z: Tensor) -> Tensor:
        """(N,), the latent reward at z: (N, D)."""
        return self._mean(rbf(z, self.items.to(z), self.bandwidth))

    @torch.no_grad()
    def predict(self, prior: Prior, x_0: Tensor) -> Prediction:
        """Posterior of the reward at the data end.

        Raises:
            FailedPrecondition: the prior is not the one whose features the items' coordinates are made of.
        """
        return self.in_users_units(self._latent(self.coordinates.of_items(prior, x_0).double()))

    @property
    def feature_level(self) -> float | None:
        at = self.coordinates
        return at.level_values[-1] if isinstance(at, FeatureCoordinates) else None

    @torch.no_grad()
    def latent_features(self, features: Tensor) -> Prediction | None:
        at = self.coordinates
        return self._latent(at.of_features(features)) if isinstance(at, FeatureCoordinates) else None

    @torch.no_grad()
    def latent_items(self, x_0: Tensor) -> Prediction | None:
        return self._latent(x_0.flatten(1)) if isinstance(self.coordinates, ItemCoordinates) else None

    def _latent(self, z: Tensor) -> Prediction:
        """At places z: (M, D), in their dtype."""
        k = rbf(z, self.items.to(z), self.bandwidth)
        mean, learnt = self._mean(k), self._learnt(k)
        left = 1.0 + self.intercept_scale**2 - (learnt * learnt).sum(dim=1)
        # The difference of two near-equal sums can round below zero where much has been learnt.
        std = self.weight_std * left.clamp(min=0.0).sqrt()
        return Prediction(mean.double(), std.double())

    @torch.no_grad()
    def joint(self, prior: Prior, x_0: Tensor) -> Joint:
        """The joint posterior of the latent reward at the data end; raises as `predict` does."""
        return self._joint(self.coordinates.of_items(prior, x_0).double())

    @torch.no_grad()
    def joint_features(self, features: Tensor) -> Joint | None:
        at = self.coordinates
        return self._joint(at.of_features(features).double()) if isinstance(at, FeatureCoordinates) else None

    @torch.no_grad()
    def joint_items(self, x_0: Tensor) -> Joint | None:
        at = self.coordinates
        return self._joint(x_0.flatten(1).double()) if isinstance(at, ItemCoordinates) else None

    def _joint(self, z: Tensor) -> Joint:
        """At places z: (M, D), float64."""
        k = rbf(z, self.items.to(z), self.bandwidth)
        learnt = self._learnt(k)
        covariance = rbf(z, z, self.bandwidth) + self.intercept_scale**2 - learnt @ learnt.T
        return Joint(self._mean(k), self.weight_std**2 * covariance)

    def _mean(self, k: Tensor) -> Tensor:
        """(M,), the latent reward of what is as near to the items as k: (M, items) says."""
        return k @ self.alpha.to(k) + self.intercept

    def _learnt(self, k: Tensor) -> Tensor:
        """(M, K), what the answers say of it."""
        factor = self.factor.to(k)
        return torch.addmm(factor[:, -1], k, factor[:, :-1].T)

    def to(self, device: torch.device | str) -> Self:
        return replace(
            self,
            coordinates=self.coordinates.to(device),
            items=self.items.to(device),
            alpha=self.alpha.to(device),
            factor=self.factor.to(device),
        )

    def to_bytes(self) -> bytes:
        tensors = {"items": self.items, "alpha": self.alpha, "factor": self.factor}
        at = self.coordinates
        schedule = VPSchedule()
        if isinstance(at, FeatureCoordinates):
            # In half the bytes: the regression that they come from is not known to three digits.
            tensors |= {"levels": at.levels, "maps": at.maps.half(), "offsets": at.offsets}
            schedule = at.schedule
        description = GpDescription(
            prior_hash=self.prior_hash,
            space="features" if isinstance(at, FeatureCoordinates) else "item",
            noise_rate_min=schedule.noise_rate_min,
            noise_rate_max=schedule.noise_rate_max,
            bandwidth=self.bandwidth,
            intercept=self.intercept,
            intercept_scale=self.intercept_scale,
            weight_std=self.weight_std,
            reward_mean=self.reward_mean,
            reward_scale=self.reward_scale,
            link=self.link,
        )
        return encode(description, tensors)

    @classmethod
    def of_parts(cls, raw: dict[str, object], tensors: dict[str, Tensor]) -> Self:
        """The surrogate of a decoded artifact; raises DataLoss when the parts do not fit together."""
        d = describe(raw, GpDescription)
        tensors = {name: tensor.float() if name == "maps" else tensor for name, tensor in tensors.items()}
        _check_tensors(tensors, d.space)
        return cls(
            coordinates=_coordinates(d, tensors),
            items=tensors["items"],
            alpha=tensors["alpha"],
            intercept=d.intercept,
            bandwidth=d.bandwidth,
            factor=tensors["factor"],
            intercept_scale=d.intercept_scale,
            weight_std=d.weight_std,
            reward_mean=d.reward_mean,
            reward_scale=d.reward_scale,
            link=d.link,
        )


def _coordinates(d: GpDescription, tensors: dict[str, Tensor]) -> Coordinates:
    if d.space == "item":
        return ItemCoordinates()
    schedule = VPSchedule(d.noise_rate_min, d.noise_rate_max)
    return FeatureCoordinates(
        schedule, tensors["levels"], tensors["maps"], tensors["offsets"], prior_hash=d.prior_hash
    )


def _check_tensors(tensors: dict[str, Tensor], space: str) -> None:
    count, dim = _two(tensors, "items")
    rows, _ = _two(tensors, "factor")
    expected: dict[str, tuple[int, ...]] = {
        "items": (count, dim),
        "alpha": (count,),
        "factor": (rows, count + 1),
    }
    if space == "features":
        num_levels = len(tensors["levels"]) if "levels" in tensors else 0
        width = tensors["maps"].shape[1] if "maps" in tensors and tensors["maps"].dim() == 3 else 0
        expected |= {
            "levels": (num_levels,),
            "maps": (num_levels, width, dim),
            "offsets": (num_levels, dim),
        }
    check_shapes(tensors, expected)
    if space == "features" and not bool((tensors["levels"].diff() > 0).all()):
        raise damaged("ascending levels", str(tensors["levels"].tolist()), field="levels")


def _two(tensors: dict[str, Tensor], name: str) -> tuple[int, int]:
    found = tensors.get(name)
    if found is None or found.dim() != 2:
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        raise damaged(f"{name} of two dimensions", str(shapes), field=name)
    return found.shape[0], found.shape[1]
