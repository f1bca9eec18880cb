"""Titles for particles of a catalogue prior, from its folder on this machine.

The sampler names the items of a slate, and only those. The files are those of `apa.priors.catalogue_files`,
which is not imported here: `apa.priors` brings torch.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apa.client import CatalogueItem, LoadedPrior
from apa.errors import DataLoss
from apa.prior_folders import CONFIG_FILE, list_priors

ITEMS_FILE = "items.csv"
VECTORS_FILE = "vectors.npy"


def nearest_items(
    prior: LoadedPrior, x: NDArray[np.float32], directories: Iterable[Path | str]
) -> list[CatalogueItem] | None:
    """The catalogue item nearest to each particle; None when the prior's folder is not on this machine.

    Args:
        prior: as the sampler serves it: a folder with other weights is another prior, whatever its name.
        x: (N, D).
        directories: where to look, besides the shipped priors.

    Raises:
        DataLoss: the folder's files are damaged.
    """
    folder = list_priors(directories).get(prior.card.name)
    if folder is None:
        return None
    try:
        if not _is_same(folder, prior.content_hash):
            return None
        with (folder / ITEMS_FILE).open(encoding="utf-8", newline="") as table:
            rows = list(csv.DictReader(table, strict=True))
        vectors = np.load(folder / VECTORS_FILE, allow_pickle=False).astype(np.float32)
        return [_item(rows[place]) for place in _nearest(vectors, x)]
    except (OSError, ValueError, KeyError, IndexError, csv.Error) as error:
        raise DataLoss(
            "the prior's catalogue cannot be read",
            field=str(folder),
            expected=f"{ITEMS_FILE} and {VECTORS_FILE} that belong together",
            found=f"{type(error).__name__}: {error}",
        ) from error


def _is_same(folder: Path, content_hash: str) -> bool:
    weights = str(json.loads((folder / CONFIG_FILE).read_text())["weights_sha256"])
    return bool(content_hash) and weights.startswith(content_hash)


def _nearest(vectors: NDArray[np.float32], x: NDArray[np.float32]) -> list[int]:
    """(N,), the row nearest to each particle; one at a time, so that memory does not grow with N."""
    return [int(np.square(vectors - particle).sum(axis=1).argmin()) for particle in x]


def _item(row: dict[str, str]) -> CatalogueItem:
    attributes = {name: value for name, value in row.items() if name not in ("item_id", "title")}
    return CatalogueItem(row["item_id"], row["title"], attributes)
