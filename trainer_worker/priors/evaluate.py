"""Measuring an image prior, and writing the figures and a picture into its folder."""

from __future__ import annotations

from pathlib import Path

import torch

from apa.errors import FailedPrecondition
from apa.prior_folders import CARD_FILE
from apa.priors.base import Prior
from apa.priors.folder import load_prior, write_atomically
from simulation.fashion_classifier import CLASS_NAMES, load_classifier
from trainer_worker.priors.classifier import load_labelled
from trainer_worker.priors.contact_sheet import save_contact_sheet
from trainer_worker.priors.data import to_data_space
from trainer_worker.priors.quality import draw_samples, measure

SHEET_FILE = "samples.png"
_PER_CLASS = 8


def evaluate_fashion(folder: Path, dataset: Path, num: int, steps: int, seed: int) -> dict[str, float]:
    """Draw, measure, and record: the card's quality and `samples.png`.

    Args:
        dataset: the folder of the four Fashion-MNIST files.
        num: samples to draw.
        steps: denoiser evaluations per sample.
    """
    prior = load_prior(folder)
    _check_shape(prior)
    classifier = load_classifier()
    test = load_labelled(dataset / "t10k-images-idx3-ubyte.gz", dataset / "t10k-labels-idx1-ubyte.gz")
    train = load_labelled(dataset / "train-images-idx3-ubyte.gz", dataset / "train-labels-idx1-ubyte.gz")
    samples = draw_samples(prior, num, steps, seed)
    # The first of a shuffled set: as many real pictures as samples, none of which are test pictures.
    figures = measure(samples, to_data_space(test.images), to_data_space(train.images[:num]), classifier)
    figures["sampling_steps"] = float(steps)
    with torch.no_grad():
        classes = classifier(samples).argmax(dim=1)
    save_contact_sheet(samples, classes, folder / SHEET_FILE, _PER_CLASS)
    card = prior.card.model_copy(update={"quality": figures})
    write_atomically(folder / CARD_FILE, (card.model_dump_json(indent=2) + "\n").encode())
    return figures


def _check_shape(prior: Prior) -> None:
    if prior.data_shape != (1, 28, 28):
        raise FailedPrecondition(
            f"the classifier of {len(CLASS_NAMES)} kinds of clothes judges Fashion-MNIST only",
            field="prior",
            expected="data_shape (1, 28, 28)",
            found=str(prior.data_shape),
        )
