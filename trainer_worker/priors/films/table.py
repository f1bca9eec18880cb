"""The films as catalogue items: what a page shows of each."""

from __future__ import annotations

from collections.abc import Sequence

from apa.priors.catalogue import Item
from trainer_worker.priors.films.snapshot import Film


def items_of(films: Sequence[Film]) -> list[Item]:
    """One item per film, in the same order. Several values in a cell are joined by "|"."""
    return [_item(film) for film in films]


def _item(film: Film) -> Item:
    return Item(
        item_id=film.item_id,
        title=film.title,
        columns={
            "year": str(film.year),
            "genres": "|".join(film.genres),
            "directors": "|".join(film.directors),
            "countries": "|".join(film.countries),
            "languages": "|".join(film.languages),
            "runtime_min": "" if film.runtime_min is None else str(film.runtime_min),
            "critics_percent": "" if film.critics_percent is None else str(film.critics_percent),
        },
    )
