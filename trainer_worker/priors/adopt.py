"""A model of one's own in the `diffusers` format as a prior folder."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from apa.errors import NotFound
from apa.priors.diffusers_folder import DiffusersConfig, files_sha256, read_model
from apa.priors.folder import save_adapted
from apa.records.prior_card import PriorCard
from trainer_worker.priors.export import Provenance

_SHOWN_CHANNELS = (1, 3)


def write_adopted(
    path: Path,
    out: Path,
    about: Provenance,
    prompt: str | None = None,
    negative_prompt: str = "",
    guidance_scale: float = 7.5,
) -> None:
    """Write the folder: it points to the model's and holds its digest, so that a change there is found.

    Raises:
        FailedPrecondition, NotFound, DataLoss, InvalidArgument: see `read_model`.
    """
    if not path.is_dir():
        raise NotFound("no such diffusers folder", field="path", expected="a directory", found=str(path))
    config = DiffusersConfig(
        path=os.path.relpath(path.resolve(), out.resolve()),
        prompt=prompt,
        negative_prompt=negative_prompt,
        guidance_scale=guidance_scale,
        files_sha256=files_sha256(path),
    )
    model = read_model(path, config)
    latent = model.autoencoder is not None
    shown = latent or model.data_shape[0] in _SHOWN_CHANNELS
    card = PriorCard(
        kind="latent" if latent else "image",
        data_shape=model.data_shape,
        decoder="png" if shown else "none",
        feature_dim=model.feature_dim,
        **asdict(about),
    )
    save_adapted(out, config, card)
