"""The simulated users' tastes by name, as functions of a prior's items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

from alignment.respondent import Taste
from apa.errors import InvalidArgument
from apa.priors.base import Prior
from simulation.fashion_classifier import CLASS_NAMES, class_probabilities, load_classifier
from simulation.fashion_tastes import SHOPPERS, classes
from simulation.fashion_tastes import Taste as FashionTaste
from simulation.film_table import shipped_film_table
from simulation.film_tastes import FILM_TASTES, FilmTaste

AnyTaste = TypeVar("AnyTaste")

_FASHION = {name: FashionTaste(name, classes(name)) for name in CLASS_NAMES} | {
    taste.name: taste for taste in SHOPPERS
}
_FILMS = {taste.name: taste for taste in FILM_TASTES}


def taste_of(prior: Prior, name: str) -> Taste:
    """The taste of that name over the items of a shipped prior.

    Raises:
        InvalidArgument: nobody knows what is liked of this prior, or there is no taste of this name.
    """
    if prior.card.name == "fashion":
        return fashion_rewards(_named(_FASHION, name))
    if prior.card.name == "films":
        return film_rewards(_named(_FILMS, name), prior)
    raise InvalidArgument(
        "no simulated user knows this prior",
        field="prior",
        expected="fashion or films",
        found=prior.card.name,
    )


def _named(tastes: Mapping[str, AnyTaste], name: str) -> AnyTaste:
    if name not in tastes:
        raise InvalidArgument("no such taste", field="taste", expected=", ".join(tastes), found=name)
    return tastes[name]


def fashion_rewards(taste: FashionTaste) -> Taste:
    """Judged by the classifier that no method sees; items (k, 1, 28, 28) in [-1, 1]."""
    classifier = load_classifier()

    @torch.inference_mode()
    def rewards(x: Tensor) -> Tensor:
        images = x.clamp(-1.0, 1.0)
        return taste.reward(class_probabilities(classifier, images), images).double()

    return rewards


def film_rewards(taste: FilmTaste, prior: Prior) -> Taste:
    """Judged by the film that a vector (k, D) is shown as."""
    assert prior.catalogue is not None, "films are a catalogue"
    catalogue = prior.catalogue
    of_item = torch.from_numpy(taste.rewards(shipped_film_table()))
    return lambda x: of_item[torch.from_numpy(catalogue.decode(x.cpu().numpy()))]
