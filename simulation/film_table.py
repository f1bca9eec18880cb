"""The shipped films as columns, for judging them: no torch, no service."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apa.prior_folders import shipped_priors_dir

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FilmTable:
    """N films in the order of the catalogue, so that a row number is an item index.

    Attributes:
        item_ids: N of them.
        titles: N of them.
        year: (N,).
        critics: (N,), share of favourable reviews in [0, 1]; 0.5 where nobody counted.
        names: for genres, directors, countries and languages: N tuples.
    """

    item_ids: tuple[str, ...]
    titles: tuple[str, ...]
    year: NDArray[np.float64]
    critics: NDArray[np.float64]
    names: dict[str, tuple[tuple[str, ...], ...]]

    def __len__(self) -> int:
        return len(self.item_ids)

    def has(self, column: str, name: str) -> Flags:
        """(N,), which films carry the name in the column."""
        return np.array([name in names for names in self.names[column]], dtype=np.bool_)


def read_film_table(items_csv: Path) -> FilmTable:
    """The table of a films prior's `items.csv`."""
    with items_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return FilmTable(
        item_ids=tuple(row["item_id"] for row in rows),
        titles=tuple(row["title"] for row in rows),
        year=np.array([float(row["year"]) for row in rows]),
        critics=np.array([float(row["critics_percent"] or 50.0) / 100.0 for row in rows]),
        names={
            column: tuple(tuple(filter(None, row[column].split("|"))) for row in rows)
            for column in ("genres", "directors", "countries", "languages")
        },
    )


def shipped_film_table() -> FilmTable:
    """The films that come with the package."""
    return read_film_table(shipped_priors_dir() / "films" / "items.csv")
