"""From an artifact back to its surrogate."""

from __future__ import annotations

from apa.surrogates.base import Surrogate
from apa.surrogates.cnn import CnnSurrogate
from apa.surrogates.gp import GpSurrogate
from apa.surrogates.linear import LinearSurrogate
from apa.surrogates.mlp import MlpSurrogate
from apa.surrogates.parts import damaged, decode, version_of

__all__ = ["load", "version_of"]

_FAMILIES: dict[str, type[LinearSurrogate | CnnSurrogate | GpSurrogate | MlpSurrogate]] = {
    "linear": LinearSurrogate,
    "cnn": CnnSurrogate,
    "mlp": MlpSurrogate,
    "gp": GpSurrogate,
}


def load(blob: bytes, expected_version: str | None = None) -> Surrogate:
    """The surrogate of an artifact.

    Args:
        expected_version: the content hash that the blob should have; None accepts any.

    Raises:
        DataLoss: the blob is damaged, another than expected, of an unknown family or a later schema.
    """
    if expected_version is not None and version_of(blob) != expected_version:
        raise damaged(expected_version, version_of(blob), field="version")
    raw, tensors = decode(blob)
    family = _FAMILIES.get(str(raw.get("family")))
    if family is None:
        raise damaged(f"one of {sorted(_FAMILIES)}", repr(raw.get("family")), field="family")
    return family.of_parts(raw, tensors)
