from __future__ import annotations

import numpy as np
import pytest
import torch

from apa.priors.catalogue import Catalogue, Item
from apa.priors.gaussian_mixture import GaussianMixturePrior
from trainer_worker.priors.catalogue_quality import catalogue_figures, histogram, total_variation

POINTS = np.array([[-3.0, 0.0], [3.0, 0.0], [0.0, 3.0], [0.0, -3.0]], dtype=np.float32)
GENRES = ["War", "War|Drama", "Comedy", "Drama"]
CATALOGUE = Catalogue(
    [Item(f"i{n}", f"Item {n}", {"genres": genres}) for n, genres in enumerate(GENRES)], POINTS
)


def prior_with(weights: list[float]) -> GaussianMixturePrior:
    return GaussianMixturePrior(torch.from_numpy(POINTS), 0.01, torch.tensor(weights))


def test_an_item_of_two_genres_gives_half_to_each() -> None:
    assert histogram(CATALOGUE, "genres", [0, 1]) == pytest.approx({"War": 0.75, "Drama": 0.25})


def test_total_variation_is_zero_for_equal_and_one_for_disjoint_histograms() -> None:
    assert total_variation({"a": 0.5, "b": 0.5}, {"b": 0.5, "a": 0.5}) == 0.0
    assert total_variation({"a": 1.0}, {"b": 1.0}) == 1.0


def test_a_prior_that_is_its_catalogue_scores_as_chance_does() -> None:
    figures = catalogue_figures(prior_with([0.25] * 4), CATALOGUE, "genres", num=500, num_steps=50)

    assert figures["distinct_items"] == 4.0
    assert figures["closer_to_item_than_its_neighbour"] == 1.0
    assert figures["particle_to_item_median"] < 0.5 < figures["item_to_other_item_median"]
    assert figures["genres_total_variation"] < 0.08
    assert figures["genres_total_variation_of_uniform_draws"] < 0.08


def test_a_prior_that_forgot_a_genre_is_found_out() -> None:
    figures = catalogue_figures(
        prior_with([0.5, 0.5, 1e-9, 1e-9]), CATALOGUE, "genres", num=500, num_steps=50
    )

    assert figures["distinct_items"] == 2.0
    assert figures["genres_total_variation"] > 0.3
