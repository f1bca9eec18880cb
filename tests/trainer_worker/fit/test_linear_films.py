"""The linear head on the shipped films: what it says of films that it was not told about."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from torch import Tensor

from apa.surrogates import LinearSurrogate
from simulation.film_table import shipped_film_table
from simulation.film_tastes import film_taste
from trainer_worker.fit import FeatureCache, fit
from trainer_worker.observations import Observations
from trainer_worker.shelf import PriorShelf, Shelved

ANSWERS = 80


@lru_cache(maxsize=1)
def _films() -> tuple[Shelved, Tensor]:
    shelved = PriorShelf().get("films")
    assert shelved.transport is not None
    assert shelved.prior.catalogue is not None
    return shelved, torch.from_numpy(shelved.prior.catalogue.vectors)


def _answered(rewards: Tensor) -> Tensor:
    """Films shown by chance, and as many chosen the likelier the better: what a session asks about."""
    generator = torch.Generator().manual_seed(0)
    by_chance = torch.randperm(len(rewards), generator=generator)[: ANSWERS // 2]
    weights = rewards.index_fill(0, by_chance, 0.0)
    return torch.cat([by_chance, torch.multinomial(weights, ANSWERS // 2, generator=generator)])


@pytest.mark.parametrize("taste", ["1970s crime", "westerns of any age", "classic musicals"])
def test_no_film_is_off_the_scale_and_the_best_are_liked(taste: str) -> None:
    (prior, transport), x = _films()
    rewards = torch.from_numpy(film_taste(taste).rewards(shipped_film_table()))
    rows = _answered(rewards)
    observations = Observations.scalar(x[rows], rewards[rows])
    surrogate = fit("linear", prior, observations, 0, FeatureCache(), transport)
    assert isinstance(surrogate, LinearSurrogate)
    held_out = torch.ones(len(x), dtype=torch.bool).index_fill(0, rows, False)
    prediction = surrogate.predict(prior, x[held_out])
    standardised = (prediction.mean - surrogate.reward_mean) / surrogate.reward_scale
    # It was up to 131 standard deviations, and 0.14 of the best 32 was liked, on the bottleneck's features.
    assert float(standardised.abs().max()) < 6.0
    best = (prediction.mean + prediction.std).topk(32).indices
    assert float(rewards[held_out][best].mean()) > 0.6
