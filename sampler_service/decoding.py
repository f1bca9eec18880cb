"""How a particle becomes something to show."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue
from apa.records.shown import CatalogueItem, Decoded


def catalogue_of(prior: Prior) -> Catalogue | None:
    """The items of a catalogue prior's folder; None for every other."""
    catalogue = getattr(prior, "catalogue", None)
    return catalogue if isinstance(catalogue, Catalogue) else None


Images = Callable[[Prior, Tensor], Tensor]
"""(prior, x: (M, *data_shape)) -> (M, C, H, W): `Prior.to_images`, computed where it belongs."""


def images_here(prior: Prior, x: Tensor) -> Tensor:
    """On the caller's own thread."""
    return prior.to_images(x)


def shown_item(catalogue: Catalogue, item_id: str) -> CatalogueItem:
    """An item as a caller sees it; of one that was deleted so long ago that nobody knows it, the id alone."""
    item = catalogue.item(item_id)
    return (
        CatalogueItem(item_id, "") if item is None else CatalogueItem(item_id, item.title, dict(item.columns))
    )


def decode(prior: Prior, x: NDArray[np.float32], images: Images = images_here) -> Decoded:
    """What to show for a particle (*data_shape) that is no catalogue item's."""
    if prior.card.decoder != "png":
        return None
    image: NDArray[np.float32] = images(prior, torch.tensor(x)[None])[0].float().cpu().numpy()
    return png(image)


def png(image: NDArray[np.float32]) -> bytes:
    """A PNG of an image (C, H, W) in [-1, 1], C = 1 or 3."""
    pixels = np.round((np.clip(image, -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels[0]) if len(pixels) == 1 else Image.fromarray(np.moveaxis(pixels, 0, -1))
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
