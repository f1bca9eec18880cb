"""Nearest vectors: the signature that every index has, and the exact one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apa.errors import InvalidArgument

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

# Numbers held at once in one array, so that memory stays below about 100 MB whatever the number of queries.
_MAX_NUMBERS = 4_000_000


class VectorIndex(Protocol):
    """Finds the vectors nearest to each query. Implementations may be approximate; the default is exact."""

    def search(self, queries: NDArray[np.floating], k: int) -> tuple[Indices, Floats]:
        """The k nearest vectors of each query, nearest first.

        Args:
            queries: (M, D).
            k: between 1 and the number of vectors.

        Returns:
            (M, k) indices and (M, k) squared Euclidean distances.
        """


class BruteForceIndex:
    """Every distance, in blocks: exact, and fast enough to about a million vectors.

    The product is in float64, so that |q|^2 - 2 q v + |v|^2 does not cancel where a query lies on a vector.
    Equally near vectors come in the order of their index.
    """

    def __init__(self, vectors: NDArray[np.floating]) -> None:
        """Args: vectors: (N, D), N of at least 1."""
        if vectors.ndim != 2 or len(vectors) == 0:
            raise InvalidArgument(
                "an index needs vectors", field="vectors", expected="(N, D), N > 0", found=str(vectors.shape)
            )
        self._vectors = vectors.astype(np.float64)
        # Without a temporary array as large as the index.
        self._squared_norms = np.einsum("nd,nd->n", self._vectors, self._vectors)

    def search(self, queries: NDArray[np.floating], k: int) -> tuple[Indices, Floats]:
        """See `VectorIndex.search`.

        Raises:
            InvalidArgument: a wrong shape, a wrong k, or a query that is not finite.
        """
        wide: Floats = queries.astype(np.float64)
        self._check(wide, k)
        indices = np.empty((len(queries), k), dtype=np.int64)
        squared = np.empty((len(queries), k))
        step = max(1, _MAX_NUMBERS // max(len(self._vectors), k * self._vectors.shape[1]))
        for start in range(0, len(queries), step):
            rows = slice(start, start + step)
            indices[rows], squared[rows] = self._search_block(wide[rows], k)
        return indices, squared

    def _search_block(self, queries: Floats, k: int) -> tuple[Indices, Floats]:
        # |q|^2 is the same for every candidate: it changes no order, so it is left out here.
        distances = self._squared_norms - 2.0 * queries @ self._vectors.T
        if k == 1:
            nearest = distances.argmin(axis=1)[:, None]
        elif k < distances.shape[1]:
            nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        else:
            nearest = np.broadcast_to(np.arange(k), distances.shape).copy()
        nearest.sort(axis=1)
        squared = np.square(queries[:, None, :] - self._vectors[nearest]).sum(axis=2)
        order = squared.argsort(axis=1, kind="stable")
        return np.take_along_axis(nearest, order, axis=1), np.take_along_axis(squared, order, axis=1)

    def _check(self, queries: Floats, k: int) -> None:
        num_vectors, num_dims = self._vectors.shape
        if queries.ndim != 2 or queries.shape[1] != num_dims:
            raise InvalidArgument(
                "the queries do not fit the index",
                field="queries",
                expected=f"(M, {num_dims})",
                found=str(queries.shape),
            )
        if not 1 <= k <= num_vectors:
            raise InvalidArgument(
                "k is out of range", field="k", expected=f"1 to {num_vectors}", found=str(k)
            )
        if not np.isfinite(queries).all():
            raise InvalidArgument(
                "a query is not finite", field="queries", expected="finite numbers", found="NaN or infinity"
            )
