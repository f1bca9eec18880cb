"""python -m sampler_service.drawing NAME [--in DIRECTORY]: a prior's stored draws, into its own folder.

Who serves the folder then has them from the first moment on, and draws none.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from apa.errors import ApaError
from apa.prior_folders import find_prior
from apa.priors.base import Prior
from apa.priors.folder import load_prior
from apa.records.sampling import SamplingConfig
from apa.surrogates.linear import DATA_END_LOG_SNR, data_end_features
from sampler_service.config import SamplerSettings
from sampler_service.grids import start_time
from sampler_service.routes import StoredPool, draw_pool
from sampler_service.routes.stored_pool import NUM_STORED
from sampler_service.stored_files import FILE, StoredFile, in_half_precision, write_stored
from sampler_service.stored_pools import CHUNK, pool_id_of


def drawn(prior: Prior, config: SamplingConfig, size: int = NUM_STORED, first_chunk: int = 0) -> StoredFile:
    """The draws that a service with this config makes of a prior, with their features at the data end.

    Args:
        first_chunk: of CHUNK draws each, from which on; those before are left out.
    """
    begin = start_time(prior.schedule, config.t_start)
    config = config.model_copy(update={"t_start": begin, "corrector": "none", "route": "steer"})
    chunks = range(first_chunk, first_chunk - (-size // CHUNK))
    x = torch.cat([draw_pool(prior, CHUNK, config, generation=chunk).x for chunk in chunks])[:size]
    x = in_half_precision(x)
    level = DATA_END_LOG_SNR
    features = {level: in_half_precision(features_of(prior, x, level))} if prior.feature_dim else {}
    return StoredFile(StoredPool(x, prior.content_hash), pool_id_of(prior, config), features)


@torch.no_grad()
def features_of(prior: Prior, x: Tensor, level: float) -> Tensor:
    """(M, F), float32, of items x: (M, *data_shape) at a log-SNR."""
    return torch.cat([data_end_features(prior, part, level).float() for part in torch.split(x, CHUNK)])


def main(
    name: Annotated[str, typer.Argument(help="As in `apa prior list`.")],
    folders: Annotated[
        list[Path] | None,
        typer.Option("--in", help="A directory of prior folders, besides the shipped ones; may be repeated."),
    ] = None,
    size: Annotated[int, typer.Option(min=64, max=65536, help="Draws.")] = NUM_STORED,
) -> None:
    """Draw a pool of a prior, with its features, into the prior's folder."""
    folder = find_prior(name, folders or [])
    stored = drawn(load_prior(folder), SamplerSettings.model_construct().sampling(), size)
    write_stored(folder / FILE, stored)
    typer.echo(f"{len(stored.draws)} draws of {name}: {folder / FILE}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except ApaError as error:
        sys.exit(f"error: {error}")
