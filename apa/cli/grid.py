"""Many small images as one PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from apa.client import SampleResult
from apa.errors import FailedPrecondition
from apa.records.prior_card import PriorCard

SMALLEST_TILE = 96
"""Pixels; a 28 pixel image is shown three to four times as large."""
GAP = 4


def images_of(result: SampleResult) -> list[Image.Image]:
    """The slate's pictures, or else the particles'; see `check_drawable`.

    Raises:
        FailedPrecondition: the prior makes no images.
    """
    shown = [item.png for item in result.shown.items] if result.shown else []
    pictures: list[Image.Image] = [Image.open(io.BytesIO(png)) for png in shown if png]
    if not pictures and result.particles is not None and _is_image_shape(result.particles.x.shape[1:]):
        pictures = [image_of(x) for x in result.particles.x]
    if not pictures:
        raise _nothing_to_draw("vectors")
    return pictures


def check_drawable(card: PriorCard) -> None:
    """Raises FailedPrecondition when the prior makes no images: known before its run."""
    if not _is_image_shape(card.data_shape):
        shape = "x".join(map(str, card.data_shape))
        raise _nothing_to_draw(f"{card.name}, {card.kind} of shape {shape}")


def write_grid(pictures: Sequence[Image.Image], file: BinaryIO, columns: int = 0) -> None:
    """Writes the pictures row by row, enlarged by a whole factor; 0 columns for an about square grid."""
    width, height = pictures[0].size
    factor = max(1, math.ceil(SMALLEST_TILE / max(width, height)))
    tile = (width * factor, height * factor)
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    size = (columns * (tile[0] + GAP) + GAP, rows * (tile[1] + GAP) + GAP)
    grid = Image.new("RGB", size, "white")
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        corner = (GAP + column * (tile[0] + GAP), GAP + row * (tile[1] + GAP))
        grid.paste(picture.convert("RGB").resize(tile, Image.Resampling.NEAREST), corner)
    grid.save(file, format="PNG")


def _is_image_shape(shape: Sequence[int]) -> bool:
    """(C, H, W), grey or RGB."""
    return len(shape) == 3 and shape[0] in (1, 3)


def _nothing_to_draw(found: str) -> FailedPrecondition:
    return FailedPrecondition(
        "there is nothing to draw", field="--png", expected="a prior of images", found=found
    )


def image_of(x: NDArray[np.float32]) -> Image.Image:
    """An image (C, H, W) in [-1, 1]."""
    pixels = np.round((np.clip(x, -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
