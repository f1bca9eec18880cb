"""The centre and the scale of a session's items, for families that read the denoised estimate."""

from __future__ import annotations

import torch
from torch import Tensor

from apa.surrogates.reading import Reading, flat


def fit_reading(x: Tensor) -> Reading:
    """The reading in which items x: (M, *data_shape) have mean zero and mean squared length one.

    One item, or all equal ones, tell no scale: then it is the item's own length, or one.
    """
    items = flat(x.double())
    centre = items.mean(dim=0)
    squared = (items - centre).square().sum(dim=1).mean()
    if not squared > 0:
        squared = items.square().sum(dim=1).mean()
    scale = squared.sqrt() if squared > 0 else torch.ones_like(squared)
    return Reading(centre.float(), scale.float())
