"""17,472 films are too many cells for a population: decades and genres are few enough."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from simulation.film_table import FilmTable

LEAST_SHARE = 0.03
"""Genres that are rarer than this among the films are one cell together."""


@dataclass(frozen=True)
class FilmCells:
    """Two partitions of the catalogue.

    Attributes:
        groups: partition -> names of its cells.
        membership: (items, C), float32, one 1 in each partition's cells.
    """

    groups: dict[str, tuple[str, ...]]
    membership: Tensor

    def of_items(self, judged: Tensor) -> Tensor:
        """(N, C), of item indices (N, 1)."""
        return self.membership[judged[:, 0]]


def cells_of(films: FilmTable) -> FilmCells:
    """By decade, and by the first genre that the table names."""
    by = {
        "decade": [f"{int(year) // 10 * 10}s" for year in films.year],
        "genre": _common([genres[0] if genres else "none" for genres in films.names["genres"]]),
    }
    groups = {name: tuple(sorted(set(of_film))) for name, of_film in by.items()}
    columns = [
        torch.tensor([film == cell for film in by[name]]) for name, cells in groups.items() for cell in cells
    ]
    return FilmCells(groups, torch.stack(columns, dim=1).float())


def _common(of_film: list[str]) -> list[str]:
    least = LEAST_SHARE * len(of_film)
    kept = {name for name in set(of_film) if of_film.count(name) >= least}
    return [name if name in kept else "other" for name in of_film]
