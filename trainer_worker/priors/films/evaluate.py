"""`python -m trainer_worker.priors.films.evaluate FOLDER`: after the fit, measures and completes the card.

Stores the weights in half precision first, so that the figures are of what is shipped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from apa.prior_folders import CARD_FILE
from apa.priors.catalogue_files import read_catalogue
from apa.priors.folder import load_prior, write_atomically
from apa.records.prior_card import PriorCard
from trainer_worker.priors.catalogue_quality import catalogue_figures
from trainer_worker.priors.films.quality import neighbour_figures
from trainer_worker.priors.films.snapshot import packaged_snapshot, read_films
from trainer_worker.priors.half_precision import store_in_half


def evaluate(folder: Path, num: int = 4000, num_steps: int = 100) -> PriorCard:
    """Measure the embedding and the prior of a fitted films folder, and write them into its card.

    Args:
        num: particles to draw.
        num_steps: denoiser evaluations per particle.
    """
    store_in_half(folder)
    prior, catalogue = load_prior(folder), read_catalogue(folder)
    figures = catalogue_figures(prior, catalogue, "genres", num, num_steps)
    figures |= neighbour_figures(read_films(packaged_snapshot()), catalogue.vectors)
    card = prior.card.model_copy(
        update={
            "decoder": "catalogue",
            "num_items": len(catalogue),
            "quality": {name: round(value, 4) for name, value in figures.items()},
        }
    )
    write_atomically(folder / CARD_FILE, (card.model_dump_json(indent=2) + "\n").encode())
    return card


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the prior folder, items and fitted weights")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(json.dumps(evaluate(arguments.folder).quality, indent=2))


if __name__ == "__main__":
    main()
