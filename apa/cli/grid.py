"""Many small images as one PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from apa.client import SampleResult
from apa.errors import FailedPrecondition

SMALLEST_TILE = 96
"""Pixels; a 28 pixel image is shown three to four times as large."""
GAP = 4


def images_of(result: SampleResult) -> list[Image.Image]:
    """The slate's pictures, or else the particles'.

    Raises:
        FailedPrecondition: the prior makes no images.
    """
    shown = [item.png for item in result.shown.items] if result.shown else []
    pictures: list[Image.Image] = [Image.open(io.BytesIO(png)) for png in shown if png]
    if not pictures and result.particles is not None and _are_images(result.particles.x):
        pictures = [_image(x) for x in result.particles.x]
    if not pictures:
        raise FailedPrecondition(
            "there is nothing to draw", field="--png", expected="a prior of images", found="vectors"
        )
    return pictures


def write_grid(pictures: Sequence[Image.Image], path: Path) -> None:
    """Writes the pictures row by row, in an about square grid, enlarged by a whole factor."""
    width, height = pictures[0].size
    factor = max(1, math.ceil(SMALLEST_TILE / max(width, height)))
    tile = (width * factor, height * factor)
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    size = (columns * (tile[0] + GAP) + GAP, rows * (tile[1] + GAP) + GAP)
    grid = Image.new("RGB", size, "white")
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        corner = (GAP + column * (tile[0] + GAP), GAP + row * (tile[1] + GAP))
        grid.paste(picture.convert("RGB").resize(tile, Image.Resampling.NEAREST), corner)
    grid.save(path, format="PNG")


def _are_images(x: NDArray[np.float32]) -> bool:
    return x.ndim == 4 and x.shape[1] in (1, 3)


def _image(x: NDArray[np.float32]) -> Image.Image:
    """An image (C, H, W) in [-1, 1]."""
    pixels = np.round((np.clip(x, -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
