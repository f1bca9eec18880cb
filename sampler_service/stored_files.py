"""Stored draws as a file: beside a prior's weights in its folder, or in a directory that a sampler keeps.

Safetensors of float16: `x`, and for each log-SNR at which surrogates read features, `features <level>`. The
metadata hold the prior's content hash, what names the draws, and a digest of all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from apa.errors import DataLoss, FailedPrecondition
from apa.priors.base import Prior
from apa.priors.folder import write_atomically
from apa.surrogates.parts import metadata
from sampler_service.routes.stored_pool import StoredPool

FILE = "stored_draws.safetensors"
"""In a prior's folder."""
VERSION = "1"


@dataclass(frozen=True, eq=False)
class StoredFile:
    """What is in it.

    Attributes:
        pool_id: names the draws; with a row it names one.
        features: (M, F), float32, by log-SNR.
    """

    draws: StoredPool
    pool_id: str
    features: Mapping[float, Tensor] = field(default_factory=dict)


def in_half_precision(x: Tensor) -> Tensor:
    """float32, as a file gives it back: draws are the same before they are written and after."""
    return x.half().float()


def write_stored(path: Path, stored: StoredFile) -> None:
    """Replaces the file by one that is complete and on disk."""
    tensors = {"x": stored.draws.x} | {_named(level): rows for level, rows in stored.features.items()}
    halved = {name: value.cpu().half().contiguous() for name, value in tensors.items()}
    told = {"version": VERSION, "prior_hash": stored.draws.prior_hash, "pool_id": stored.pool_id}
    told["sha256"] = _digest(halved, told)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, tensors_to_bytes(halved, told))


def read_stored(path: Path, prior: Prior) -> StoredFile | None:
    """What the file holds; None where there is none.

    Raises:
        FailedPrecondition: the draws are another prior's.
        DataLoss: the file is damaged, or of another form.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _damaged(path, "a file", str(error)) from error
    try:
        tensors, told = tensors_from_bytes(content), metadata(content)
        digest, version = told.pop("sha256"), told["version"]
        prior_hash, pool_id = told["prior_hash"], told["pool_id"]
    except (SafetensorError, KeyError, ValueError) as error:
        raise _damaged(path, "safetensors of stored draws", str(error)) from error
    if version != VERSION:
        raise _damaged(path, f"version {VERSION}", version)
    if prior_hash != prior.content_hash:
        raise FailedPrecondition(
            f"the stored draws in {path.name} are another prior's",
            field="prior_hash",
            expected=prior.content_hash[:16],
            found=prior_hash[:16],
        )
    found = _digest(tensors, told)
    if found != digest:
        raise _damaged(path, f"contents of digest {digest[:12]}", found[:12])
    try:
        x, features = tensors.pop("x"), {_level(name): rows.float() for name, rows in tensors.items()}
    except (KeyError, ValueError) as error:
        raise _damaged(path, "x, and features by log-SNR", str(error)) from error
    for rows, shape in ((x, prior.data_shape), *((rows, (prior.feature_dim,)) for rows in features.values())):
        if len(x) == 0 or tuple(rows.shape) != (len(x), *shape) or not bool(torch.isfinite(rows).all()):
            raise _damaged(path, f"finite rows of {shape}", str(tuple(rows.shape)))
    return StoredFile(StoredPool(x.float(), prior.content_hash), pool_id, features)


def _named(level: float) -> str:
    return f"features {level!r}"


def _level(name: str) -> float:
    return float(name.removeprefix("features "))


def _digest(tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _damaged(path: Path, expected: str, found: str) -> DataLoss:
    return DataLoss(
        f"the stored draws in {path.name} are damaged", field="stored_draws", expected=expected, found=found
    )
