from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from apa.prior_folders import shipped_priors_dir
from apa.priors.catalogue import Catalogue
from apa.priors.catalogue_files import read_catalogue
from apa.priors.folder import load_prior
from trainer_worker.priors.films.embedding import EmbeddingConfig, embed
from trainer_worker.priors.films.snapshot import NUM_FILMS, packaged_snapshot, read_films
from trainer_worker.priors.films.table import items_of

FOLDER = shipped_priors_dir() / "films"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(FOLDER)


def test_every_film_is_there_with_a_point_of_its_own(catalogue: Catalogue) -> None:
    assert catalogue.vectors.shape == (NUM_FILMS, EmbeddingConfig().num_dims)
    assert len(np.unique(catalogue.vectors, axis=0)) == NUM_FILMS


def test_the_items_and_vectors_are_what_the_command_makes(catalogue: Catalogue) -> None:
    films = read_films(packaged_snapshot())

    assert list(catalogue.items) == items_of(films)
    # Stored as float16, and a singular value decomposition differs a little between machines.
    np.testing.assert_allclose(catalogue.vectors, embed(films), atol=0.02)


@pytest.mark.parametrize(
    ("title", "genre", "country"),
    [
        ("Singin' in the Rain", "Musical", "United States"),
        ("Seven Samurai", "Drama", "Japan"),
        ("Toy Story", "Animation", "United States"),
        ("A Fistful of Dollars", "Western", "Italy"),
    ],
)
def test_a_well_known_film_has_neighbours_of_its_kind(
    catalogue: Catalogue, title: str, genre: str, country: str
) -> None:
    position = next(n for n, item in enumerate(catalogue.items) if item.title == title)

    near, _ = catalogue.index.search(catalogue.vectors[[position]], 6)

    columns = [catalogue.items[n].columns for n in near[0, 1:]]
    assert sum(genre in c["genres"] for c in columns) >= 4
    assert sum(country in c["countries"] for c in columns) >= 4


def test_the_files_stay_small() -> None:
    size = {path.name: path.stat().st_size for path in FOLDER.iterdir()}

    assert size["vectors.npy"] < 2_000_000
    assert size["items.csv"] < 2_000_000
    assert size.pop("stored_draws.safetensors") < 4_000_000
    assert sum(size.values()) < 10_000_000


def test_the_prior_loads_with_its_items_and_says_how_good_it_is() -> None:
    prior = load_prior(FOLDER)

    assert prior.catalogue is not None
    assert (prior.card.name, prior.card.decoder, prior.card.num_items) == ("films", "catalogue", NUM_FILMS)
    assert "CC0" in prior.card.data_licence
    quality = prior.card.quality
    assert quality["distinct_items"] > 0.85 * quality["distinct_items_of_uniform_draws"]
    assert quality["genres_total_variation"] < 0.05
    assert quality["neighbours_share_genre"] > 0.95


def test_a_particle_near_a_film_is_denoised_towards_it() -> None:
    prior = load_prior(FOLDER)
    assert prior.catalogue is not None
    x_0 = torch.from_numpy(prior.catalogue.vectors[::2000])
    t = torch.full((len(x_0),), 0.05)
    a, s = prior.schedule.scale(t)[:, None], prior.schedule.std(t)[:, None]
    noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))

    x_0_hat = prior.denoise(a * x_0 + s * noise, t).x_0_hat

    assert (x_0_hat - x_0).norm() < 0.8 * (s / a * noise).norm()


def test_the_licence_of_the_data_is_beside_it() -> None:
    text = (FOLDER / "LICENSE-DATA").read_text(encoding="utf-8")

    assert "CC0 1.0" in text
    assert "Wikidata" in text
    assert json.loads((FOLDER / "items.json").read_text())["num_items"] == NUM_FILMS
