"""Films of a catalogue, liked for their genres, their era, where they are from and who made them."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from apa.priors.base import Prior
from apa.records.session import SessionConfig
from benchmarks.alignment.tasks.task import HiddenTaste, Task, best_of
from sampler_service.decoding import catalogue_of
from simulation.film_table import FilmTable, shipped_film_table
from simulation.film_tastes import FilmTaste, Mode
from trainer_worker.fit import Transport
from trainer_worker.shelf import PriorShelf

TRIES = 300
"""Tastes drawn at most until one is as rare as wanted within a factor of NEAR; then the nearest is taken."""
NEAR = 1.5


class Films(Task):
    """A taste of one or two modes around films drawn from the table; rarity is a share of the catalogue.

    Attainable: the best B films, as no film is shown twice.
    """

    def __init__(self) -> None:
        self.name = "films"
        # Of 16,000 films 1e-4 are two.
        self.rarities = (1e-2, 1e-1, 1e-3, 1e-4)
        self.config = SessionConfig(prior="films", budget=80, particles_per_round=8, num_particles=32)

    @cached_property
    def _shelved(self) -> tuple[Prior, Transport | None]:
        prior, transport = PriorShelf().get("films")
        return prior, transport

    @property
    def prior(self) -> Prior:
        return self._shelved[0]

    @property
    def transport(self) -> Transport | None:
        return self._shelved[1]

    @cached_property
    def table(self) -> FilmTable:
        return shipped_film_table()

    @cached_property
    def vectors(self) -> Tensor:
        """(number of films, D), in the order of the table."""
        catalogue = catalogue_of(self.prior)
        assert catalogue is not None, "films are a catalogue"
        return torch.from_numpy(catalogue.vectors)

    def items(self, x: Tensor) -> NDArray[np.int64]:
        """(M,), the films whose vectors x: (M, D) are."""
        catalogue = catalogue_of(self.prior)
        assert catalogue is not None, "films are a catalogue"
        return catalogue.decode(x.cpu().numpy())

    def taste(self, number: int, rarity: float) -> HiddenTaste:
        taste = _taste_of_rarity(self.table, np.random.default_rng(number), rarity)
        rewards = torch.from_numpy(taste.rewards(self.table))
        modes = torch.from_numpy(np.argmax([mode.liking(self.table) for mode in taste.modes], axis=0))
        return HiddenTaste(
            reward=lambda x: rewards[self.items(x)],
            mode=lambda x: modes[self.items(x)],
            num_modes=len(taste.modes),
            base_rate=float((rewards > 0.5).double().mean()),
            attainable=best_of(rewards, self.config.budget),
        )

    def valid(self, x: Tensor) -> Tensor:
        """Every item of a catalogue is one."""
        return torch.ones(len(x), dtype=torch.float64)


def _taste_of_rarity(films: FilmTable, generator: np.random.Generator, rarity: float) -> FilmTaste:
    with_genre = [row for row, genres in enumerate(films.names["genres"]) if genres]
    nearest, distance = None, math.inf
    for _ in range(TRIES):
        anchors = generator.choice(with_genre, size=generator.integers(1, 3), replace=False)
        modes = tuple(_mode_around(films, int(anchor), generator) for anchor in anchors)
        taste = FilmTaste("random", modes, critics_share=float(generator.uniform(0.0, 0.3)))
        rate = float(np.mean(taste.rewards(films) > 0.5))
        off = abs(math.log(rate / rarity)) if rate else math.inf
        if off < distance:
            nearest, distance = taste, off
        if distance <= math.log(NEAR):
            break
    assert nearest is not None, "no film is liked by any taste around it"
    return nearest


def _mode_around(films: FilmTable, anchor: int, generator: np.random.Generator) -> Mode:
    """From one genre of the film to all that is known of it."""
    genres = films.names["genres"][anchor]
    liked = generator.permutation(len(genres))[: generator.integers(1, 4)]
    year, reach = int(films.year[anchor]), int(generator.integers(2, 15))
    return Mode(
        genres=tuple(genres[i] for i in sorted(liked)),
        era=(year - reach, year + reach) if generator.random() < 0.6 else None,
        countries=films.names["countries"][anchor][:1] if generator.random() < 0.4 else (),
        directors=films.names["directors"][anchor][:1] if generator.random() < 0.1 else (),
    )
