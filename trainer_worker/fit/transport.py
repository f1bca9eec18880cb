"""How a reward at the data end looks through noise: learnt once per prior, from the prior's own samples.

A head w on the clean features z_0 says w . z_0. At noise the best guess of it is w . E[z_0 | phi(x_t, t)],
and that expectation is regressed on the noised features here, on thousands of samples instead of a user's
few answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from apa.errors import DataLoss
from apa.priors.base import Prior
from apa.surrogates.parts import metadata
from trainer_worker.fit.encode import LEVELS, encode_items
from trainer_worker.fit.standardise import FeatureScale, feature_scale

TRANSPORT_FILE = "transport.safetensors"
"""Its name in a prior's folder."""
DIRECTIONS = 32
"""Principal directions kept; on Fashion-MNIST a kernel on these predicts tastes as well as one on all."""
RIDGE = 1e-3
"""Of the regression, relative to the mean variance of the noised features."""


@dataclass(frozen=True, eq=False)
class Transport:
    """z_0_hat = phi @ maps[l] + offsets[l], the expected standardised clean features given noised ones.

    Attributes:
        prior_hash: of the prior whose features these are.
        clean: mean and scale that standardise the clean features.
        maps: (L - 2, F, F). offsets: (L - 2, F). One for each level between the first and the last.
        directions: (F, D), principal directions of the standardised clean features, orthonormal; None in a
            file of an earlier release.
        variances: (D,), of the samples along them.
    """

    prior_hash: str
    clean: FeatureScale
    maps: Tensor
    offsets: Tensor
    directions: Tensor | None = None
    variances: Tensor | None = None

    @cached_property
    def steering_maps(self) -> Tensor:
        """(L - 2, F, F), transposed and as precise as the weights that steer."""
        return self.maps.mT.float().contiguous()

    def to_bytes(self) -> bytes:
        tensors = {
            "mean": self.clean.mean,
            "scale": self.clean.scale,
            "maps": self.maps,
            "offsets": self.offsets,
            "levels": torch.tensor(LEVELS),
        }
        if self.directions is not None and self.variances is not None:
            tensors |= {"directions": self.directions, "variances": self.variances}
        return save_tensors(
            {name: value.float().contiguous() for name, value in tensors.items()},
            {"prior_hash": self.prior_hash},
        )

    @classmethod
    def of_bytes(cls, blob: bytes, prior: Prior) -> Transport | None:
        """The transport in a file; None when it is of another prior, or of other levels than are used now.

        Raises:
            DataLoss: the file is damaged.
        """
        try:
            tensors = load_tensors(blob)
            same_levels = tensors["levels"].tolist() == torch.tensor(LEVELS).tolist()
            prior_hash = metadata(blob)["prior_hash"]
        except (SafetensorError, KeyError, ValueError) as error:
            raise _damaged("a safetensors file with levels", str(error)) from error
        if prior_hash != prior.content_hash or not same_levels:
            return None
        _check(tensors, prior.feature_dim)
        of = {name: value.double() for name, value in tensors.items()}
        return cls(
            prior_hash,
            FeatureScale(of["mean"], of["scale"]),
            of["maps"],
            of["offsets"],
            of.get("directions"),
            of.get("variances"),
        )


def fit_transport(prior: Prior, x: Tensor, seed: int, batch: int = 50) -> Transport:
    """Regress clean features on noised ones at every level.

    Args:
        x: (P, *data_shape), samples of the prior; several times as many as it has features.
    """
    parts = [encode_items(prior, chunk, seed) for chunk in torch.split(x, batch)]
    clean_features = torch.cat([part.clean for part in parts]).double()
    clean = feature_scale(clean_features)
    target = (clean_features - clean.mean) / clean.scale
    noised = torch.cat([part.noised for part in parts], dim=2).double()
    pairs = [_regress(copies, target) for copies in noised]
    maps, offsets = (torch.stack(side) for side in zip(*pairs, strict=True))
    return Transport(prior.content_hash, clean, maps, offsets, *_principal(target))


def _principal(z: Tensor) -> tuple[Tensor, Tensor]:
    """The directions (F, D) of largest variance of z: (P, F), and their variances (D,), largest first."""
    variances, directions = torch.linalg.eigh(torch.cov(z.T, correction=0))
    kept = min(DIRECTIONS, z.shape[1])
    return directions.flip(1)[:, :kept].contiguous(), variances.flip(0)[:kept]


def _regress(copies: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Map (F, F) and offset (F,) from noised copies (D, P, F) to the standardised clean features (P, F)."""
    scale = feature_scale(copies.flatten(0, 1))
    z = ((copies - scale.mean) / scale.scale).flatten(0, 1)
    rows = target.repeat(len(copies), 1)
    gram = z.T @ z + RIDGE * len(z) * torch.eye(z.shape[1], dtype=z.dtype)
    weights = torch.linalg.solve(gram, z.T @ rows) / scale.scale[:, None]
    return weights, -scale.mean @ weights


def _check(tensors: dict[str, Tensor], dim: int) -> None:
    between = len(LEVELS) - 2
    expected: dict[str, tuple[int, ...]] = {
        "mean": (dim,),
        "scale": (dim,),
        "maps": (between, dim, dim),
        "offsets": (between, dim),
    }
    if "directions" in tensors:
        kept = min(DIRECTIONS, dim)
        expected |= {"directions": (dim, kept), "variances": (kept,)}
    for name, shape in expected.items():
        found = tensors.get(name)
        if found is None or tuple(found.shape) != shape or not bool(torch.isfinite(found).all()):
            raise _damaged(
                f"finite {name} of shape {shape}", "none" if found is None else str(tuple(found.shape))
            )


def _damaged(expected: str, found: str) -> DataLoss:
    return DataLoss("a file of the prior is damaged", field=TRANSPORT_FILE, expected=expected, found=found)
