"""python -m benchmarks.alignment.tasks.fashion_draws: what the rarity of fashion tastes is read off.

Class probabilities, attributes and denoising errors of the prior's own draws, by the service's own steps.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from benchmarks.alignment.tasks.fashion import DRAWS_PATH, attributes_of, denoising_error
from sampler_service import sample
from sampler_service.config import SamplerSettings
from simulation.fashion_classifier import class_probabilities, load_classifier
from trainer_worker.shelf import PriorShelf

CHUNK = 200
WITH_ERRORS = 2000
FIRST_SEED = 5_000_000


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.alignment.tasks.fashion_draws", description=__doc__
    )
    parser.add_argument("--draws", type=int, default=20_000)
    num_draws = parser.parse_args().draws
    torch.set_num_threads(1)
    prior, classifier = PriorShelf().get("fashion").prior, load_classifier()
    config = SamplerSettings.model_construct().sampling()
    columns: dict[str, list[torch.Tensor]] = {"probabilities": [], "attributes": [], "errors": []}
    for chunk in range(num_draws // CHUNK):
        seeded = config.model_copy(update={"seed": FIRST_SEED + chunk})
        x = sample(prior, None, seeded, num_particles=CHUNK).x
        columns["probabilities"].append(class_probabilities(classifier, x.clamp(-1.0, 1.0)))
        columns["attributes"].append(attributes_of(x.clamp(-1.0, 1.0)))
        if chunk * CHUNK < WITH_ERRORS:
            columns["errors"].append(denoising_error(prior, x))
        print(f"{(chunk + 1) * CHUNK} of {num_draws}", flush=True)
    arrays = {name: torch.cat(parts).numpy().astype(np.float16) for name, parts in columns.items()}
    DRAWS_PATH.parent.mkdir(exist_ok=True)
    np.savez_compressed(DRAWS_PATH, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
