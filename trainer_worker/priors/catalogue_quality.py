"""How good a catalogue prior is: what its particles decode to, against the catalogue itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue
from trainer_worker.priors.ancestral import ancestral_sample

Indices = NDArray[np.int64]


def catalogue_figures(
    prior: Prior, catalogue: Catalogue, column: str, num: int = 4000, num_steps: int = 100, seed: int = 0
) -> dict[str, float]:
    """Sample the prior, decode every particle, and compare with drawing items from the catalogue.

    Args:
        column: a display column of values joined by "|", e.g. genres, whose histogram should not change.
        num: particles drawn.
    """
    x = ancestral_sample(prior, num, num_steps, torch.Generator().manual_seed(seed)).numpy()
    items, squared = catalogue.index.search(x, 1)
    to_other = np.sqrt(catalogue.index.search(catalogue.vectors[items[:, 0]], 2)[1][:, 1])
    to_item = np.sqrt(squared[:, 0])
    return {
        "samples": float(num),
        "distinct_items": float(len(np.unique(items))),
        "distinct_items_of_uniform_draws": _expected_distinct(len(catalogue), num),
        "particle_to_item_median": float(np.median(to_item)),
        "item_to_other_item_median": float(np.median(to_other)),
        "closer_to_item_than_its_neighbour": float(np.mean(to_item < to_other)),
        f"{column}_total_variation": total_variation(
            histogram(catalogue, column, items[:, 0]), histogram(catalogue, column, range(len(catalogue)))
        ),
        f"{column}_total_variation_of_uniform_draws": _chance_variation(catalogue, column, num, seed),
    }


def histogram(catalogue: Catalogue, column: str, items: Iterable[int]) -> dict[str, float]:
    """Shares of the column's values among the items; an item with several values spreads its mass."""
    mass: defaultdict[str, float] = defaultdict(float)
    for position in items:
        values = catalogue.items[position].columns[column].split("|")
        for value in values:
            mass[value] += 1.0 / len(values)
    total = sum(mass.values())
    return {value: amount / total for value, amount in mass.items()}


def total_variation(p: Mapping[str, float], q: Mapping[str, float]) -> float:
    """Half the L1 distance of two histograms: 0 when equal, 1 when disjoint."""
    return 0.5 * sum(abs(p.get(value, 0.0) - q.get(value, 0.0)) for value in p.keys() | q.keys())


def _expected_distinct(num_items: int, num: int) -> float:
    return num_items * (1.0 - (1.0 - 1.0 / num_items) ** num)


def _chance_variation(catalogue: Catalogue, column: str, num: int, seed: int) -> float:
    """The total variation that `num` honest draws show by chance."""
    draws = np.random.default_rng(seed).integers(0, len(catalogue), num)
    whole = histogram(catalogue, column, range(len(catalogue)))
    return total_variation(histogram(catalogue, column, draws), whole)
