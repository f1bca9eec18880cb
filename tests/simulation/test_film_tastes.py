from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from simulation.film_table import FilmTable, read_film_table, shipped_film_table
from simulation.film_tastes import FILM_TASTES, FilmTaste, Mode, film_taste, random_film_taste

HEADER = "item_id,title,year,genres,directors,countries,languages,runtime_min,critics_percent"
GENRES = [
    "Crime",
    "Comedy",
    "Animation",
    "Musical",
    "Western",
    "Horror|Sci-Fi",
    "Documentary",
    "War",
    "Drama",
]
COUNTRIES = ["France", "Japan", "India", "Hong Kong", "United States"]


def table_of(folder: Path, rows: Sequence[str]) -> FilmTable:
    (folder / "items.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return read_film_table(folder / "items.csv")


@pytest.fixture
def films(tmp_path: Path) -> FilmTable:
    """Every genre in every country in every third year, half of them well made."""
    rows = [
        f"Q{number},Film {number},{year},{genre},Ann|Bob,{country},French,,{100 * (number % 2)}"
        for number, (year, genre, country) in enumerate(
            (year, genre, country)
            for year in range(1940, 2015, 3)
            for genre in GENRES
            for country in COUNTRIES
        )
    ]
    return table_of(tmp_path, rows)


@pytest.mark.parametrize("taste", FILM_TASTES, ids=lambda taste: taste.name)
def test_a_taste_loves_some_films_and_leaves_most(taste: FilmTaste, films: FilmTable) -> None:
    rewards = taste.rewards(films)

    assert rewards.shape == (len(films),)
    assert rewards.min() >= 0.0
    assert 0.7 < rewards.max() <= 1.0
    assert np.mean(rewards > 0.5) < 0.2


def test_a_near_miss_earns_more_than_a_stranger_and_less_than_a_hit(tmp_path: Path) -> None:
    films = table_of(
        tmp_path,
        [
            "Q1,Hit,1974,Crime,Ann,Italy,Italian,100,80",
            "Q2,A decade late,1990,Crime,Ann,Italy,Italian,100,80",
            "Q3,Stranger,2010,Musical,Ann,Italy,Italian,100,80",
        ],
    )

    hit, near, stranger = film_taste("1970s crime").rewards(films)

    assert hit > near > stranger == 0.0


def test_a_taste_of_two_modes_likes_either(films: FilmTable) -> None:
    rewards = film_taste("French comedies and Japanese animation").rewards(films)
    comedy = films.has("genres", "Comedy") & films.has("countries", "France")
    animation = films.has("genres", "Animation") & films.has("countries", "Japan")

    assert rewards[comedy].min() > 0.7
    assert rewards[animation].min() > 0.7
    assert rewards[~comedy & ~animation].max() < 0.5


def test_what_is_disliked_spoils_a_film(tmp_path: Path) -> None:
    films = table_of(tmp_path, ["Q1,A,2000,Comedy,,,,,", "Q2,B,2000,Comedy|Horror,,,,,"])

    plain, spoilt = Mode(genres=("Comedy",), not_genres=("Horror",)).liking(films)

    assert spoilt < plain / 2


def test_an_uncounted_film_is_neither_well_nor_badly_made(tmp_path: Path) -> None:
    films = table_of(tmp_path, ["Q1,A,2000,War,,,,,100", "Q2,B,2000,War,,,,,", "Q3,C,2000,War,,,,,0"])

    rewards = FilmTaste("war", (Mode(genres=("War",)),), critics_share=0.4).rewards(films)

    np.testing.assert_allclose(rewards, [1.0, 0.8, 0.6])


@pytest.mark.parametrize("seed", range(8))
def test_a_random_taste_is_its_seeds_alone_and_can_be_satisfied(seed: int, films: FilmTable) -> None:
    taste = random_film_taste(seed, films)

    assert taste == random_film_taste(seed, films)
    assert 0.003 <= np.mean(taste.rewards(films) > 0.5) <= 0.08


def test_different_seeds_give_different_tastes(films: FilmTable) -> None:
    assert len({random_film_taste(seed, films).modes for seed in range(8)}) > 4


@pytest.fixture(scope="module")
def shipped() -> FilmTable:
    return shipped_film_table()


@pytest.mark.parametrize("taste", FILM_TASTES, ids=lambda taste: taste.name)
def test_the_shipped_films_have_some_for_every_taste_and_not_too_many(
    taste: FilmTaste, shipped: FilmTable
) -> None:
    liked = int((taste.rewards(shipped) > 0.7).sum())

    assert 50 <= liked <= 0.1 * len(shipped)


def test_judging_films_needs_no_torch() -> None:
    program = "import sys, simulation.film_tastes; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], timeout=120, check=False).returncode == 0
