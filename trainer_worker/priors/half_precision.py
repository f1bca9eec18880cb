"""Weights stored in half precision: half the size, and still computed with in float32 after loading."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load, save

from apa.prior_folders import CONFIG_FILE, WEIGHTS_FILE
from apa.priors.folder import PriorConfig, write_atomically


def store_in_half(folder: Path) -> None:
    """Rewrite the weights of a prior folder as float16, and their hash in its config.

    The hash is the prior's content hash, so this comes before anything is fitted on its features.
    """
    tensors = load((folder / WEIGHTS_FILE).read_bytes())
    weights = save({name: tensor.to(torch.float16) for name, tensor in tensors.items()})
    config = PriorConfig.model_validate_json((folder / CONFIG_FILE).read_bytes())
    renamed = config.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest()})
    write_atomically(folder / WEIGHTS_FILE, weights)
    write_atomically(folder / CONFIG_FILE, (renamed.model_dump_json(indent=2) + "\n").encode())
