"""Hidden tastes over films, as functions of their metadata: what a simulated viewer truly likes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulation.film_table import FilmTable

Floats = NDArray[np.float64]

_OFF_ERA_YEARS = 8.0
"""How many years outside an era halve the liking, roughly."""


@dataclass(frozen=True)
class Mode:
    """One thing a viewer likes; what is left empty does not matter to them.

    Attributes:
        genres: liked as much as the film has of them, all of them being best.
        not_genres: any of these spoils most of it.
        era: first and last year; the liking fades on both sides.
        countries: any of them will do.
        directors: any of them will do.
    """

    genres: tuple[str, ...] = ()
    not_genres: tuple[str, ...] = ()
    era: tuple[int, int] | None = None
    countries: tuple[str, ...] = ()
    directors: tuple[str, ...] = ()

    def liking(self, films: FilmTable) -> Floats:
        """(N,) in [0, 1], a product of what matters: near misses earn something, strangers almost nothing."""
        liking = np.ones(len(films))
        if self.genres:
            share = np.mean([films.has("genres", genre) for genre in self.genres], axis=0)
            liking *= share**2
        if self.era:
            first, last = self.era
            years_off = np.maximum(0.0, np.maximum(first - films.year, films.year - last))
            liking *= np.exp(-0.5 * (years_off / _OFF_ERA_YEARS) ** 2)
        if self.countries:
            liking *= np.where(_any_of(films, "countries", self.countries), 1.0, 0.2)
        if self.directors:
            liking *= np.where(_any_of(films, "directors", self.directors), 1.0, 0.2)
        return liking * np.where(_any_of(films, "genres", self.not_genres), 0.3, 1.0)


@dataclass(frozen=True)
class FilmTaste:
    """What one viewer likes.

    Attributes:
        name: as the reports show it.
        modes: a film is worth its best one; two modes far apart are what a greedy learner misses.
        critics_share: how much of the reward hangs on the film being well made, in [0, 1].
    """

    name: str
    modes: tuple[Mode, ...]
    critics_share: float = 0.2

    def rewards(self, films: FilmTable) -> Floats:
        """(N,) true rewards in [0, 1], one per item index."""
        best = np.max([mode.liking(films) for mode in self.modes], axis=0)
        return np.asarray(best * (1.0 - self.critics_share * (1.0 - films.critics)))


FILM_TASTES = (
    FilmTaste("1970s crime", (Mode(genres=("Crime",), era=(1968, 1979)),)),
    FilmTaste(
        "French comedies and Japanese animation",
        (
            Mode(genres=("Comedy",), countries=("France",), not_genres=("Animation",)),
            Mode(genres=("Animation",), countries=("Japan",)),
        ),
    ),
    FilmTaste("classic musicals", (Mode(genres=("Musical",), era=(1940, 1964)),)),
    FilmTaste("westerns of any age", (Mode(genres=("Western",)),)),
    FilmTaste("1980s horror, with science fiction", (Mode(genres=("Horror", "Sci-Fi"), era=(1979, 1989)),)),
    FilmTaste("recent documentaries", (Mode(genres=("Documentary",), era=(2005, 2014)),), critics_share=0.4),
    FilmTaste(
        "Bollywood and Hong Kong action",
        (
            Mode(genres=("Musical",), countries=("India",)),
            Mode(genres=("Action",), countries=("Hong Kong", "British Hong Kong")),
        ),
    ),
    FilmTaste(
        "noir and war of the 1940s",
        (Mode(genres=("Crime", "Thriller"), era=(1940, 1955)), Mode(genres=("War",), era=(1940, 1949))),
    ),
)


def film_taste(name: str) -> FilmTaste:
    """The named taste. Raises KeyError."""
    return {taste.name: taste for taste in FILM_TASTES}[name]


def random_film_taste(seed: int, films: FilmTable) -> FilmTaste:
    """A taste around one or two films drawn from the table, liking between 0.3% and 8% of all films.

    What pleases nobody cannot be found, and who likes everything needs no alignment.
    """
    generator = np.random.default_rng(seed)
    with_genre = [n for n, genres in enumerate(films.names["genres"]) if genres]
    while True:
        anchors = generator.choice(with_genre, size=generator.integers(1, 3), replace=False)
        modes = tuple(_mode_around(films, int(anchor), generator) for anchor in anchors)
        taste = FilmTaste(f"random {seed}", modes, critics_share=float(generator.uniform(0.0, 0.4)))
        if 0.003 <= np.mean(taste.rewards(films) > 0.5) <= 0.08:
            return taste


def _mode_around(films: FilmTable, anchor: int, generator: np.random.Generator) -> Mode:
    genres = films.names["genres"][anchor]
    liked = generator.permutation(len(genres))[: generator.integers(1, 3)]
    year = int(films.year[anchor])
    countries = films.names["countries"][anchor][:1]
    return Mode(
        genres=tuple(genres[i] for i in sorted(liked)),
        era=(year - 6, year + 6) if generator.random() < 0.7 else None,
        countries=countries if generator.random() < 0.5 else (),
    )


def _any_of(films: FilmTable, column: str, names: tuple[str, ...]) -> NDArray[np.bool_]:
    found = np.zeros(len(films), dtype=np.bool_)
    for name in names:
        found |= films.has(column, name)
    return found
