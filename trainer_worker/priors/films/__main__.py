"""`python -m trainer_worker.priors.films OUT_FOLDER`: writes items.csv, vectors.npy and items.json."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from apa.priors.catalogue_files import read_catalogue, write_catalogue
from trainer_worker.priors.films.embedding import embed
from trainer_worker.priors.films.quality import neighbour_figures
from trainer_worker.priors.films.snapshot import packaged_snapshot, read_films
from trainer_worker.priors.films.table import items_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the three files")
    parser.add_argument("--snapshot", type=Path, help="an SQLite file instead of the packaged one")
    arguments = parser.parse_args()
    films = read_films(arguments.snapshot or packaged_snapshot())
    write_catalogue(arguments.out, items_of(films), embed(films))
    # The figures are of the vectors as stored, after rounding to float16.
    catalogue = read_catalogue(arguments.out)
    figures = neighbour_figures(films, catalogue.vectors)
    figures["duplicate_vectors"] = float(len(catalogue) - len(np.unique(catalogue.vectors, axis=0)))
    print(json.dumps({"num_items": len(catalogue), **figures}, indent=2))


if __name__ == "__main__":
    main()
