"""One vector per film from its metadata: weighted blocks, a truncated SVD, and the company a film keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from trainer_worker.priors.films.blocks import Floats, column, company_of, era_block, names_block
from trainer_worker.priors.films.snapshot import Film


@dataclass(frozen=True)
class EmbeddingConfig:
    """How much each part of the metadata counts; weights are shares of unlike films' squared distance."""

    num_dims: int = 48
    """D, the length of a vector."""
    genre: float = 2.5
    era: float = 1.0
    country: float = 1.0
    language: float = 0.5
    production: float = 0.3
    company: float = 1.0
    """Weight of the films that share people with this one, relative to all of the film's own metadata."""
    whitening: float = 0.4
    """0 keeps the variance of the principal axes, 1 makes them all equal; between, rare axes stay audible."""
    apart: float = 0.1
    """Length of a random step per film. A few films agree in all their metadata; without it they would be one
    point, and one of them out of reach."""
    seed: int = 0


def embed(films: Sequence[Film], config: EmbeddingConfig | None = None) -> NDArray[np.float32]:
    """(N, D) float32, mean 0 per coordinate and variance 1 on average over coordinates.

    Deterministic: the same films and config give the same vectors (across machines up to rounding).
    """
    config = config or EmbeddingConfig()
    own = _own_coordinates(films, config)
    around = company_of(_people(films), own)
    axes = _principal_axes(np.hstack([own, config.company * around]), config)
    return (axes + config.apart * _directions(axes.shape, config.seed)).astype(np.float32)


def _directions(shape: tuple[int, ...], seed: int) -> Floats:
    """(N, D), rows of length one."""
    steps = np.random.default_rng(seed).standard_normal(shape)
    return np.asarray(steps / np.linalg.norm(steps, axis=1, keepdims=True))


def _own_coordinates(films: Sequence[Film], config: EmbeddingConfig) -> Floats:
    """(N, 64 + 4): the SVD of the weighted blocks, of mean squared length one, and measured columns."""
    weighted = [
        (config.genre, names_block([f.genres for f in films], min_films=1)),
        (config.era, era_block(np.array([f.released for f in films]))),
        (config.country, names_block([f.countries for f in films], 3, rare_counts_more=False)),
        (config.language, names_block([f.languages for f in films], 3, rare_counts_more=False)),
        (config.production, names_block([f.companies for f in films], min_films=5)),
    ]
    blocks = sparse.hstack([np.sqrt(weight) * block for weight, block in weighted]).tocsr()
    svd = TruncatedSVD(min(64, blocks.shape[1] - 1), n_iter=10, random_state=config.seed)
    z = svd.fit_transform(blocks)
    z -= z.mean(axis=0)
    z /= np.sqrt((z**2).sum(axis=1).mean())
    return np.hstack([z, _measured_columns(films)])


def _measured_columns(films: Sequence[Film]) -> Floats:
    """(N, 4): release date, length, critics and fame, small beside the blocks; they part look-alikes."""
    columns = [
        0.10 * column([f.released for f in films]),
        0.07 * column([f.runtime_min for f in films]),
        0.07 * column([f.critics_percent for f in films]),
        0.05 * column([None if f.num_reviews is None else np.log1p(f.num_reviews) for f in films]),
    ]
    return np.column_stack(columns)


def _people(films: Sequence[Film]) -> sparse.csr_matrix:
    """(N, V): who made the film and who plays in it, the makers counting a little more."""
    makers = names_block([dict.fromkeys((*f.directors, *f.writers)) for f in films], min_films=2)
    cast = names_block([f.cast for f in films], min_films=2)
    return sparse.hstack([makers, 0.7 * cast]).tocsr()


def _principal_axes(coordinates: Floats, config: EmbeddingConfig) -> Floats:
    """(N, D): the first D principal axes, partly whitened, with an average variance of one."""
    centred = coordinates - coordinates.mean(axis=0)
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    num_dims = config.num_dims
    # The sign of a singular vector is the solver's whim; fixing it keeps the vectors the same everywhere.
    sign = np.sign(right[np.arange(num_dims), np.abs(right[:num_dims]).argmax(axis=1)])
    relative = singular[:num_dims] / singular[0]
    axes = left[:, :num_dims] * sign * relative ** (1.0 - config.whitening)
    return np.asarray(axes / np.sqrt((axes**2).mean()))
