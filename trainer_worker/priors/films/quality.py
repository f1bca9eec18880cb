"""Does the embedding put like films together? What nearest neighbours share, against random pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from apa.priors.vector_index import BruteForceIndex
from trainer_worker.priors.films.snapshot import Film

Indices = NDArray[np.int64]


def neighbour_figures(
    films: Sequence[Film], vectors: NDArray[np.float32], num_queries: int = 2000, k: int = 10, seed: int = 0
) -> dict[str, float]:
    """What a film shares with its k nearest others and, for scale, with k films drawn at random.

    Args:
        films: N of them.
        vectors: (N, D).
        num_queries: how many films are asked about, drawn without replacement.
    """
    generator = np.random.default_rng(seed)
    queries = generator.choice(len(films), min(num_queries, len(films)), replace=False)
    near, squared = nearest_others(vectors, queries, k)
    chance = generator.integers(0, len(films), near.shape)
    figures = {f"neighbours_{name}": value for name, value in _shared(films, queries, near).items()}
    figures |= {f"chance_{name}": value for name, value in _shared(films, queries, chance).items()}
    return figures | {"nearest_other_distance_median": float(np.sqrt(np.median(squared[:, 0])))}


def nearest_others(
    vectors: NDArray[np.float32], queries: Indices, k: int
) -> tuple[Indices, NDArray[np.float64]]:
    """((M, k), (M, k)): the k nearest films other than the film itself, and their squared distances."""
    near, squared = BruteForceIndex(vectors).search(vectors[queries], k + 1)
    others = near != queries[:, None]
    # A film with an exact double may miss itself among the k + 1; then its last neighbour goes.
    others[others.all(axis=1), -1] = False
    return near[others].reshape(-1, k), squared[others].reshape(-1, k)


def _shared(films: Sequence[Film], queries: Indices, near: Indices) -> dict[str, float]:
    pairs = [(films[a], films[b]) for a, row in zip(queries, near, strict=True) for b in row]
    return {
        "share_genre": _mean(bool({*a.genres} & {*b.genres}) for a, b in pairs),
        "share_country": _mean(bool({*a.countries} & {*b.countries}) for a, b in pairs),
        "share_language": _mean(bool({*a.languages} & {*b.languages}) for a, b in pairs),
        "share_director": _mean(bool({*a.directors} & {*b.directors}) for a, b in pairs),
        "years_apart_median": float(np.median([abs(a.year - b.year) for a, b in pairs])),
    }


def _mean(flags: Iterable[bool]) -> float:
    return float(np.mean(list(flags)))
