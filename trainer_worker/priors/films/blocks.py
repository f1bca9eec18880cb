"""Metadata as blocks of columns: which names a film has, its era, and a few measured columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Names = Sequence[Iterable[str]]


def names_block(names: Names, min_films: int, rare_counts_more: bool = True) -> sparse.csr_matrix:
    """(N, V): which names each film has, every row of length one or zero.

    Args:
        names: N films, the distinct names of each.
        min_films: names of fewer films are left out; alone they say nothing about likeness.
        rare_counts_more: weigh by inverse document frequency. Right for genres and people; for languages it
            would make an American film with a few Italian lines an Italian one.
    """
    counts = Counter(name for film in names for name in film)
    kept = sorted(name for name, count in counts.items() if count >= min_films)
    column_of = {name: column for column, name in enumerate(kept)}
    rarity = np.array([np.log(len(names) / counts[name]) + 1.0 for name in kept])
    weight = rarity if rare_counts_more else np.ones(len(kept))
    pairs = [(row, column_of[n]) for row, film in enumerate(names) for n in film if n in column_of]
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    block = sparse.csr_matrix((weight[columns], (rows, columns)), shape=(len(names), len(kept)))
    return _rows_of_length_one(block)


def era_block(year: Floats, spacing_years: float = 10.0) -> sparse.csr_matrix:
    """(N, E): soft membership in eras one decade apart: 1969 and 1971 are close, 1941 and 2011 far.

    Args:
        year: (N,).
    """
    centres = np.arange(year.min(), year.max() + spacing_years, spacing_years)
    membership = np.exp(-0.5 * ((year[:, None] - centres) / (0.8 * spacing_years)) ** 2)
    return _rows_of_length_one(sparse.csr_matrix(membership))


def column(values: Sequence[float | None]) -> Floats:
    """(N,) with mean 0 and variance 1; what is missing gets the mean, what is extreme is cut at 3."""
    raw = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    z = (raw - np.nanmean(raw)) / np.nanstd(raw)
    return np.asarray(np.clip(np.nan_to_num(z), -3.0, 3.0))


def company_of(people: sparse.csr_matrix, own: Floats, shrinkage: float = 0.3) -> Floats:
    """(N, D): for each film the mean of the other films that its people made, weighted by what they share.

    Cast and directors are too many (60,000 names) for columns of their own; the company a film keeps says the
    same in D columns, and parts films whose genre, country and year agree.

    Args:
        people: (N, V), from `names_block`.
        own: (N, D), the films' own coordinates.
        shrinkage: how much shared weight it takes to leave the origin; guards films with one weak tie.
    """
    shared = (people @ people.T).tocsr()
    shared -= sparse.diags(shared.diagonal())
    total = np.asarray(shared.sum(axis=1)).ravel() + shrinkage
    return np.asarray(shared @ own) / total[:, None]


def _rows_of_length_one(block: sparse.csr_matrix) -> sparse.csr_matrix:
    length = np.sqrt(np.asarray(block.multiply(block).sum(axis=1)).ravel())
    return (sparse.diags(1.0 / np.maximum(length, 1e-12)) @ block).tocsr()
