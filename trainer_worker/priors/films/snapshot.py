"""The films of the Wikidata snapshot in the package `bokeh-sampledata`, as plain values."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from apa.errors import DataLoss

NUM_FILMS = 17_472

# Names are joined by ", ", but the comma of "Robert Downey, Jr." belongs to the name.
_NAME_SEPARATOR = re.compile(r", (?!(?:Jr|Sr)\.)")

_QUERY = """
SELECT o.ID, o.Title, o.Year, o.Released, o.Runtime, o.Genre, o.Director, o.Writer, o."Cast", o.Language,
       o.Country, t.Production, t.Meter, t.Reviews
FROM omdb AS o JOIN tomatoes AS t ON t.ID = o.ID
ORDER BY o.ID
"""


@dataclass(frozen=True)
class Film:
    """One row of the snapshot. What Wikidata does not say is None or an empty tuple.

    Attributes:
        item_id: the Wikidata entity, e.g. "Q47703".
        released: year with the fraction of it that had passed, e.g. 1972.2.
        critics_percent: share of favourable reviews, 0 to 100.
    """

    item_id: str
    title: str
    year: int
    released: float
    runtime_min: int | None
    genres: tuple[str, ...]
    directors: tuple[str, ...]
    writers: tuple[str, ...]
    cast: tuple[str, ...]
    languages: tuple[str, ...]
    countries: tuple[str, ...]
    companies: tuple[str, ...]
    critics_percent: int | None
    num_reviews: int | None


def packaged_snapshot() -> Path:
    """Where the installed `bokeh-sampledata` keeps the snapshot (an SQLite file)."""
    from bokeh_sampledata.movies_data import movie_path

    return Path(movie_path)


def read_films(snapshot: Path) -> list[Film]:
    """Every film, ordered by the number of its Wikidata entity.

    Raises:
        DataLoss: the file is not the snapshot.
    """
    try:
        with sqlite3.connect(f"{snapshot.resolve().as_uri()}?mode=ro", uri=True) as database:
            rows = database.execute(_QUERY).fetchall()
    except sqlite3.Error as error:
        raise DataLoss(
            f"{snapshot.name} cannot be read",
            expected="an SQLite file with the tables omdb and tomatoes",
            found=str(error),
        ) from error
    return [_film(row) for row in rows]


def _film(row: tuple[object, ...]) -> Film:
    entity, title, year, released, runtime, genre, director, writer, cast, language, country, *rest = row
    company, percent, reviews = rest
    return Film(
        item_id=f"Q{entity}",
        title=" ".join(str(title).split()),
        year=int(str(year)),
        released=_year_with_fraction(str(released)),
        runtime_min=None if runtime is None else round(float(str(runtime))),
        genres=_names(genre),
        directors=_names(director),
        writers=_names(writer),
        cast=_names(cast),
        languages=_names(language),
        countries=_names(country),
        companies=_names(company),
        critics_percent=None if percent is None else int(str(percent)),
        num_reviews=None if reviews is None else int(str(reviews)),
    )


def _names(cell: object) -> tuple[str, ...]:
    """The distinct names in a cell, in its order."""
    names = _NAME_SEPARATOR.split(str(cell)) if cell else []
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _year_with_fraction(day: str) -> float:
    released = date.fromisoformat(day)
    return released.year + (released.timetuple().tm_yday - 1) / 366.0
