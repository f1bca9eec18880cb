"""The posterior variance of a fitted prior, measured on its data and written into its folder."""

from __future__ import annotations

from pathlib import Path

import torch

from apa.errors import InvalidArgument
from apa.priors.folder import load_prior, record_posterior_variance
from apa.priors.posterior_variance import PosteriorVariance, estimate_posterior_variance
from trainer_worker.priors.data import TrainingData

MAX_ITEMS = 1024


def measure_posterior_variance(folder: Path, data: TrainingData, seed: int = 0) -> PosteriorVariance:
    """Measures it on at most MAX_ITEMS items, drawn by the seed, and records it.

    Raises:
        InvalidArgument: the items are not of the prior's shape.
    """
    prior = load_prior(folder)
    if data.data_shape != prior.data_shape:
        raise InvalidArgument(
            "the data is not this prior's",
            field="data",
            expected=f"items of shape {prior.data_shape}",
            found=str(data.data_shape),
        )
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    table = estimate_posterior_variance(prior, data.batch(order[:MAX_ITEMS]), seed)
    record_posterior_variance(folder, table)
    return table
