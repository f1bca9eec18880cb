"""python -m benchmarks.alignment.tasks.fashion_draws: what the rarity of fashion tastes is read off.

Class probabilities, attributes and denoising errors of the prior's own draws, by the service's own steps.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

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
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    options = parser.parse_args()
    columns: dict[str, list[torch.Tensor]] = {}
    with ProcessPoolExecutor(
        options.jobs, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for chunk in pool.map(judged, range(options.draws // CHUNK)):
            for name, column in chunk.items():
                columns.setdefault(name, []).append(column)
            print(f"{CHUNK * len(columns['attributes'])} of {options.draws}", flush=True)
    arrays = {name: torch.cat(parts).numpy().astype(np.float16) for name, parts in columns.items()}
    DRAWS_PATH.parent.mkdir(exist_ok=True)
    np.savez_compressed(DRAWS_PATH, allow_pickle=False, **arrays)


def judged(chunk: int) -> dict[str, torch.Tensor]:
    """CHUNK draws: probabilities (CHUNK, 10), attributes (CHUNK, A), of the first ones errors (CHUNK,)."""
    prior = PriorShelf().get("fashion").prior
    config = SamplerSettings.model_construct().sampling().model_copy(update={"seed": FIRST_SEED + chunk})
    x = sample(prior, None, config, num_particles=CHUNK).x
    clamped = x.clamp(-1.0, 1.0)
    found = {
        "probabilities": class_probabilities(load_classifier(), clamped),
        "attributes": attributes_of(clamped),
    }
    return found | ({"errors": denoising_error(prior, x)} if chunk * CHUNK < WITH_ERRORS else {})


if __name__ == "__main__":
    main()
