"""Fitting a Gaussian process: the head's own machinery, on the kernel's eigenfunctions as its design.

    f = B w + b,  B = k(x, Z) V diag(lambda)^(-1/2),  k(Z, Z) = V diag(lambda) V^T,  w ~ N(0, s^2 I)

has f ~ GP(0, s^2 k) at the items Z (Rasmussen and Williams 2006, ch. 2), whatever the likelihood of the
answers. Strength, noise and bandwidth are chosen by evidence, on grids: there is no optimiser to get stuck.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.records.session import COMPARING
from apa.surrogates.coordinates import Coordinates, FeatureCoordinates, ItemCoordinates
from apa.surrogates.gp import GpSurrogate, rbf
from trainer_worker.fit.encode import LEVELS, Encode, encode_items
from trainer_worker.fit.head import Head, fit_head
from trainer_worker.fit.transport import Transport
from trainer_worker.observations import Observations

BANDWIDTHS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Squared, in units of the mean squared distance between two items of the prior."""
_LOG_BANDWIDTH_MEAN, _LOG_BANDWIDTH_STD = math.log(0.3), 1.0
"""Prior of the squared bandwidth; it decides only where a handful of answers cannot."""
MAX_CENTRES = 512
"""Items that the process is spanned by; of more, those which represent them best."""
_SMALLEST = 1e-8
"""Eigenvalues of the kernel below this share of the largest are rounding."""


def fit_gp(
    prior: Prior,
    observations: Observations,
    seed: int,
    encode: Encode = encode_items,
    transport: Transport | None = None,
) -> GpSurrogate:
    """The process for the observed items, by the likelihood of their kind of answer."""
    coordinates = coordinates_of(prior, transport)
    z = places(prior, coordinates, observations.x, seed, encode)
    spread = typical_distance(z, transport if isinstance(coordinates, FeatureCoordinates) else None)
    head, basis = _best_fit(z, observations, spread)
    alpha = basis.to_centres @ head.weights
    known = head.factor
    if observations.kind in COMPARING:
        known = at_one_level(known, basis.design)
    factor = torch.cat([known[:, :-1] @ basis.to_centres.T, head.intercept_scale * known[:, -1:]], dim=1)
    return GpSurrogate(
        coordinates=coordinates,
        items=basis.centres.float(),
        alpha=alpha.float(),
        intercept=float(head.intercept),
        bandwidth=basis.bandwidth,
        factor=factor.float(),
        intercept_scale=head.intercept_scale,
        weight_std=head.weight_std,
        reward_mean=head.reward_mean,
        reward_scale=head.reward_scale,
        link=head.link,
    )


def at_one_level(factor: Tensor, design: Tensor) -> Tensor:
    """(K + 1, P + 1), the factor once the items' mean latent is known to be what it is expected to be.

    What only orders says nothing of the level of all latents together. It is a convention, and without it
    every item would look uncertain for what no answer can tell.

    Args:
        factor: (K, P + 1). design: (M, P).
    """
    level = torch.cat([design.mean(dim=0), design.new_zeros(1)])
    unknown = level - factor.T @ (factor @ level)
    variance = (level @ unknown).clamp(min=1e-12)
    return torch.cat([factor, (unknown / variance.sqrt())[None]])


def lies_in_features(prior: Prior, transport: Transport | None) -> bool:
    """Whether the coordinates of this prior's items are made of its features."""
    return _directions(prior, transport) is not None


def _directions(prior: Prior, transport: Transport | None) -> Tensor | None:
    return None if len(prior.data_shape) == 1 or transport is None else transport.directions


def coordinates_of(prior: Prior, transport: Transport | None) -> Coordinates:
    """Of vectors the item itself; of images their features, where it is known how these look in noise."""
    directions = _directions(prior, transport)
    if transport is None or directions is None:
        return ItemCoordinates()
    clean = transport.clean
    between = [matrix @ directions for matrix in transport.maps]
    # At the blind level every particle is expected at the mean, which is 0 once standardised.
    maps = torch.stack([torch.zeros_like(between[0]), *between, directions / clean.scale[:, None]])
    offsets = torch.stack(
        [
            torch.zeros_like(directions[0]),
            *(transport.offsets @ directions),
            -(clean.mean / clean.scale) @ directions,
        ]
    )
    # As the artifact will carry them, so that it loads back to the very same surrogate.
    maps = maps.half().float()
    return FeatureCoordinates(
        prior.schedule, torch.tensor(LEVELS), maps, offsets.float(), prior_hash=prior.content_hash
    )


def typical_distance(z: Tensor, transport: Transport | None) -> float:
    """The mean squared distance between two items of the prior; z: (M, D), the observed ones.

    Of items that are vectors it is taken from the observed ones where these are spread wider than a prior of
    unit scale: whoever has found what they like has seen mostly that.
    """
    if transport is not None and transport.variances is not None:
        return 2.0 * float(transport.variances.sum())
    observed = 2.0 * float(z.var(dim=0, correction=0).sum())
    return max(observed, float(z.shape[1]))


def log_prior_of_bandwidths() -> Tensor:
    """(6,), of `BANDWIDTHS`, up to a constant."""
    shares = torch.tensor(BANDWIDTHS, dtype=torch.float64)
    return -0.5 * ((shares.log() - _LOG_BANDWIDTH_MEAN) / _LOG_BANDWIDTH_STD) ** 2


def places(prior: Prior, coordinates: Coordinates, x: Tensor, seed: int, encode: Encode) -> Tensor:
    """(M, D), float64; features come through the cache of whoever fits."""
    if isinstance(coordinates, FeatureCoordinates):
        return coordinates.of_features(encode(prior, x, seed, False).clean.double())
    return coordinates.of_items(prior, x).double()


@dataclass(frozen=True, eq=False)
class _Basis:
    """Eigenfunctions of the kernel.

    Attributes:
        centres: (C, D). to_centres: (C, P), so that the design is k(z, centres) @ to_centres.
        design: (M, P), of the items.
    """

    centres: Tensor
    to_centres: Tensor
    design: Tensor
    bandwidth: float


def _best_fit(z: Tensor, observations: Observations, spread: float) -> tuple[Head, _Basis]:
    """The head at the bandwidth of highest evidence."""
    found: list[tuple[float, _Basis]] = []
    for share, log_prior in zip(BANDWIDTHS, log_prior_of_bandwidths().tolist(), strict=True):
        basis = _basis(z, math.sqrt(share * spread))
        evidence = fit_head(basis.design, observations, coarsely=True).log_evidence
        found.append((evidence + log_prior, basis))
    _, best = max(found, key=lambda one: one[0])
    return fit_head(best.design, observations), best


def _basis(z: Tensor, bandwidth: float) -> _Basis:
    centres = z if len(z) <= MAX_CENTRES else z[representatives(z, bandwidth, MAX_CENTRES)]
    values, vectors = torch.linalg.eigh(rbf(centres, centres, bandwidth))
    kept = values > _SMALLEST * values[-1]
    to_centres = vectors[:, kept] / values[kept].sqrt()
    return _Basis(centres, to_centres, rbf(z, centres, bandwidth) @ to_centres, bandwidth)


def representatives(z: Tensor, bandwidth: float, count: int) -> list[int]:
    """Rows of z that leave least of the kernel unexplained, one after the other (pivoted Cholesky)."""
    left = torch.ones(len(z), dtype=z.dtype)
    columns: list[Tensor] = []
    picked: list[int] = []
    for _ in range(count):
        row = int(left.argmax())
        if float(left[row]) <= _SMALLEST:
            break
        column = rbf(z, z[row : row + 1], bandwidth)[:, 0]
        if columns:
            before = torch.stack(columns)
            column = column - before.T @ before[:, row]
        columns.append(column / left[row].sqrt())
        left = (left - columns[-1].square()).clamp(min=0.0)
        picked.append(row)
    return picked
