import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from apa.errors import InvalidArgument
from simulation.fashion_classifier import load_classifier
from trainer_worker.priors.classifier import (
    LabelledImages,
    accuracy,
    augment,
    load_labelled,
    save_classifier,
    train_classifier,
)


def _halves() -> LabelledImages:
    """Class 0 is bright above, class 1 is bright below."""
    images = torch.zeros(64, 1, 28, 28, dtype=torch.uint8)
    images[:32, :, :14] = 255
    images[32:, :, 14:] = 255
    return LabelledImages(images, torch.arange(64) // 32)


def test_it_learns_and_its_saved_weights_say_the_same(tmp_path: Path) -> None:
    data = _halves()
    trained = train_classifier(data, epochs=6, seed=0, batch=16)
    assert accuracy(trained, data) == 1.0
    save_classifier(trained, tmp_path / "weights.safetensors")
    assert accuracy(load_classifier(tmp_path / "weights.safetensors"), data) == 1.0


def test_augmented_pictures_keep_their_shape_and_range() -> None:
    x = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    augmented = augment(x, torch.Generator().manual_seed(1))
    assert augmented.shape == x.shape
    assert augmented.min() >= -1.0
    assert augmented.max() <= 1.0


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    labels = np.zeros(19, dtype=np.uint8)
    for name, array in (("images.gz", pictures), ("labels.gz", labels)):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        (tmp_path / name).write_bytes(gzip.compress(header + array.tobytes()))
    with pytest.raises(InvalidArgument) as caught:
        load_labelled(tmp_path / "images.gz", tmp_path / "labels.gz")
    assert caught.value.field == "labels"
