"""A picture of samples sorted by class, for a person to judge."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional


def save_contact_sheet(samples: Tensor, classes: Tensor, path: Path, per_class: int, zoom: int = 2) -> None:
    """One row per class, the first `per_class` samples of each; a class with fewer leaves white space.

    Args:
        samples: (N, 1, H, W) in [-1, 1].
        classes: (N,), from 0.
    """
    height, width = samples.shape[2:]
    num_rows = int(classes.max()) + 1
    sheet = torch.ones(num_rows * height, per_class * width)
    for row in range(num_rows):
        for column, sample in enumerate(samples[classes == row][:per_class]):
            top, left = row * height, column * width
            sheet[top : top + height, left : left + width] = sample[0]
    zoomed = functional.interpolate(sheet[None, None], scale_factor=zoom)[0, 0]
    pixels = ((zoomed.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    Image.fromarray(pixels.numpy()).save(path, optimize=True)
