"""A small prior with a catalogue, `shop`: items i0, i1, ... in four dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apa.prior_folders import CARD_FILE, read_card
from apa.priors.catalogue import Item
from apa.priors.catalogue_files import write_catalogue
from tests.trainer_worker.world import DATA_DIM, write_prior

NUM_ITEMS = 60


def vectors_of(num_items: int = NUM_ITEMS, seed: int = 1) -> NDArray[np.float32]:
    """(M, 4), exact in float16 too."""
    drawn = np.random.default_rng(seed).normal(size=(num_items, DATA_DIM))
    return drawn.astype(np.float16).astype(np.float32)


def items_of(num_items: int = NUM_ITEMS) -> list[Item]:
    return [Item(f"i{n}", f"Item {n}", {"n": str(n)}) for n in range(num_items)]


def write_shop(folder: Path, num_items: int = NUM_ITEMS, seed: int = 1) -> None:
    """The prior `toy` with a catalogue; another seed gives other vectors and the same denoiser."""
    write_prior(folder)
    card = read_card(folder)
    changed = card.model_copy(update={"decoder": "catalogue", "num_items": num_items, "name": folder.name})
    write_catalogue(folder, items_of(num_items), vectors_of(num_items, seed))
    (folder / CARD_FILE).write_text(changed.model_dump_json())
