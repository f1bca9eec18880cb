from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from apa.errors import DataLoss
from trainer_worker.priors.films.blocks import column, company_of, era_block, names_block
from trainer_worker.priors.films.embedding import EmbeddingConfig, embed
from trainer_worker.priors.films.quality import nearest_others, neighbour_figures
from trainer_worker.priors.films.snapshot import NUM_FILMS, Film, packaged_snapshot, read_films
from trainer_worker.priors.films.table import items_of


@pytest.fixture(scope="module")
def films() -> list[Film]:
    return read_films(packaged_snapshot())


@pytest.fixture(scope="module")
def some(films: Sequence[Film]) -> list[Film]:
    return list(films[::8])


def test_the_snapshot_has_every_film_once(films: Sequence[Film]) -> None:
    assert len(films) == NUM_FILMS
    assert len({film.item_id for film in films}) == NUM_FILMS
    assert {film.year for film in films} == set(range(1940, 2015))


def test_a_comma_before_junior_belongs_to_the_name(films: Sequence[Film]) -> None:
    names = {name for film in films for name in (*film.directors, *film.writers, *film.cast)}

    assert not {"Jr.", "Sr."} & names
    assert any(name.endswith(", Jr.") for name in names)


def test_another_file_than_the_snapshot_is_data_loss(tmp_path: Path) -> None:
    (tmp_path / "movies.db").write_bytes(b"not a database, but long enough to be looked at as one" * 40)

    with pytest.raises(DataLoss, match=r"movies\.db"):
        read_films(tmp_path / "movies.db")


def test_a_block_row_has_length_one_or_is_empty() -> None:
    block = names_block([["a", "b"], ["a"], ["rare"], []], min_films=2)

    np.testing.assert_allclose(np.linalg.norm(block.toarray(), axis=1), [1, 1, 0, 0])


def test_near_years_share_their_era_and_far_ones_do_not() -> None:
    era = era_block(np.array([1940.0, 1969.0, 1971.0, 2011.0]))
    likeness = (era @ era.T).toarray()

    assert likeness[1, 2] > 0.95
    assert likeness[0, 3] < 0.01


def test_a_missing_value_counts_as_the_mean() -> None:
    np.testing.assert_allclose(column([1.0, None, 3.0]), [-1.0, 0.0, 1.0])


def test_the_company_of_a_film_is_where_its_people_work_and_not_itself() -> None:
    people = names_block([["ann"], ["ann"], ["bob"]], min_films=1)
    own = np.array([[0.0, 1.0], [10.0, 0.0], [5.0, 5.0]])

    company = company_of(people, own, shrinkage=0.0 + 1e-9)

    np.testing.assert_allclose(company, [[10.0, 0.0], [0.0, 1.0], [0.0, 0.0]], atol=1e-6)


def test_the_embedding_is_deterministic_and_of_unit_variance(some: Sequence[Film]) -> None:
    vectors = embed(some)

    assert vectors.shape == (len(some), EmbeddingConfig().num_dims)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(embed(some), vectors)
    np.testing.assert_allclose(vectors.mean(axis=0), 0.0, atol=0.01)
    assert vectors.var() == pytest.approx(1.0, abs=0.01)


def test_films_that_agree_in_everything_still_get_their_own_points(some: Sequence[Film]) -> None:
    vectors = embed([*some, some[0]])

    assert 0.0 < np.linalg.norm(vectors[0] - vectors[-1]) < 0.3


def test_neighbours_share_far_more_than_chance(some: Sequence[Film]) -> None:
    figures = neighbour_figures(some, embed(some), num_queries=300)

    assert figures["neighbours_share_genre"] > 0.9 > 2 * figures["chance_share_genre"]
    assert figures["neighbours_share_country"] > 0.85 > figures["chance_share_country"]
    assert figures["neighbours_years_apart_median"] < figures["chance_years_apart_median"] / 2


def test_a_film_is_not_its_own_neighbour_even_beside_a_double() -> None:
    vectors = np.array([[0.0], [0.0], [0.0], [4.0]], dtype=np.float32)

    near, _ = nearest_others(vectors, np.arange(4), 1)

    assert (near[:, 0] != np.arange(4)).all()


def test_a_film_becomes_an_item_with_its_columns(films: Sequence[Film]) -> None:
    alien = next(item for item in items_of(films) if item.title == "Alien")

    assert alien.item_id == "Q103569"
    assert alien.columns["year"] == "1979"
    assert {"Horror", "Sci-Fi"} <= set(alien.columns["genres"].split("|"))
