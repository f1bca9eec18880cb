"""A surrogate as bytes: safetensors with a JSON description in its metadata. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from apa.errors import DataLoss
from apa.surrogates.link import Link

SCHEMA_VERSION = 1
_METADATA_KEY = "surrogate"


class Description(BaseModel):
    """What every artifact says of itself; a family adds its own fields.

    Fields of a later release that this one does not know are ignored; a later schema version is refused.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: int = SCHEMA_VERSION
    family: str
    prior_hash: str = ""
    link: Link = "identity"


DataShape = Annotated[tuple[Annotated[int, Field(ge=1, le=16384)], ...], Field(min_length=1, max_length=4)]
"""(D,), (C, H, W) and the like, as a description has it."""

D = TypeVar("D", bound=Description)


def version_of(blob: bytes) -> str:
    """The content hash by which a surrogate is named: 16 hex digits of SHA-256."""
    return hashlib.sha256(blob).hexdigest()[:16]


def encode(description: Description, tensors: dict[str, Tensor]) -> bytes:
    """The artifact of a surrogate; the same content gives the same bytes."""
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Left out where it is what it always was: the same content has had the same bytes since before links.
    excluded = {"link"} if description.link == "identity" else None
    return save_tensors(on_cpu, {_METADATA_KEY: description.model_dump_json(exclude=excluded)})


def decode(blob: bytes) -> tuple[dict[str, object], dict[str, Tensor]]:
    """The raw description and the tensors of an artifact.

    Raises:
        DataLoss: damaged, truncated, without a description, of a later schema, or with non-finite values.
    """
    try:
        tensors = load_tensors(blob)
        raw = json.loads(metadata(blob)[_METADATA_KEY])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise damaged("a safetensors file with a description", f"{len(blob)} bytes: {error}") from error
    if not isinstance(raw, dict):
        raise damaged("a description that is an object", type(raw).__name__)
    found = raw.get("schema_version", SCHEMA_VERSION)
    if not isinstance(found, int) or not 1 <= found <= SCHEMA_VERSION:
        raise damaged(f"schema version 1 to {SCHEMA_VERSION}", repr(found), field="schema_version")
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise damaged("finite values", "a NaN or an infinity", field=name)
    return raw, tensors


def describe(raw: dict[str, object], kind: type[D]) -> D:
    """The description of a family, validated."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise damaged(first["msg"], repr(first.get("input")), field=field) from error


def check_shapes(tensors: dict[str, Tensor], expected: dict[str, tuple[int, ...]]) -> None:
    """Raise DataLoss unless exactly these float32 tensors are there, each of its shape."""
    if set(tensors) != set(expected):
        raise damaged(f"the tensors {sorted(expected)}", str(sorted(tensors)))
    for name, shape in expected.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != shape or tensor.dtype != torch.float32:
            raise damaged(f"float32 {shape}", f"{tensor.dtype} {tuple(tensor.shape)}", field=name)


def check_positive(tensors: dict[str, Tensor], name: str) -> None:
    """Raise DataLoss unless every scale in it is above zero."""
    if not bool((tensors[name] > 0).all()):
        raise damaged("positive scales", "a scale of zero or less", field=name)


def damaged(expected: str, found: str, *, field: str = "") -> DataLoss:
    return DataLoss("a surrogate artifact is damaged", field=field, expected=expected, found=found)


def metadata(blob: bytes) -> dict[str, str]:
    """The metadata of a file that safetensors has accepted: 8 bytes of length, then a JSON header."""
    length = int.from_bytes(blob[:8], "little")
    found: dict[str, str] = json.loads(blob[8 : 8 + length])["__metadata__"]
    return found
