"""A catalogue on disk: `items.csv`, `vectors.npy`, and `items.json` with the hashes that prove them whole.

`items.csv` is UTF-8 with a header; the first two columns are `item_id` and `title`, the rest is for display.
`vectors.npy` holds (N, D) floats, row i for line i of the table; float16 is enough and half the size.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from apa.errors import DataLoss, InvalidArgument
from apa.priors.catalogue import Catalogue, Item

ITEMS_FILE = "items.csv"
VECTORS_FILE = "vectors.npy"
MANIFEST_FILE = "items.json"
_KEY_COLUMNS = ["item_id", "title"]


class Manifest(BaseModel):
    """`items.json`: what the other two files must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    num_items: int = Field(ge=1)
    num_dims: int = Field(ge=1)
    items_sha256: str
    vectors_sha256: str


def write_catalogue(
    folder: Path, items: Sequence[Item], vectors: NDArray[np.floating], dtype: str = "float16"
) -> None:
    """Write the three files, the manifest last.

    Args:
        items: N items that all have the same display columns.
        vectors: (N, D).
        dtype: how the vectors are stored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ITEMS_FILE).write_bytes(_table_bytes(items))
    np.save(folder / VECTORS_FILE, vectors.astype(dtype), allow_pickle=False)
    manifest = Manifest(
        num_items=len(items),
        num_dims=vectors.shape[1],
        items_sha256=_digest(folder / ITEMS_FILE),
        vectors_sha256=_digest(folder / VECTORS_FILE),
    )
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def has_catalogue(folder: Path) -> bool:
    """Whether the prior folder carries items."""
    return (folder / MANIFEST_FILE).exists()


def read_catalogue(folder: Path) -> Catalogue:
    """The catalogue of a prior folder.

    Raises:
        DataLoss: a file is missing, damaged, or does not belong to the others; it names the file.
    """
    manifest = _read_manifest(folder / MANIFEST_FILE)
    _check_digest(folder / ITEMS_FILE, manifest.items_sha256)
    _check_digest(folder / VECTORS_FILE, manifest.vectors_sha256)
    vectors = _read_vectors(folder / VECTORS_FILE, (manifest.num_items, manifest.num_dims))
    items = read_items(folder / ITEMS_FILE)
    try:
        return Catalogue(items, vectors)
    except InvalidArgument as error:
        raise _damaged(folder / ITEMS_FILE, error.expected, f"{error.message}: {error.found}") from error


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(_bytes_of(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise _damaged(path, "a catalogue manifest", f"{where}: {first['msg']}") from error


def read_items(path: Path) -> list[Item]:
    """The items of a table; raises DataLoss naming the row that is wrong."""
    try:
        header, *lines = csv.reader(io.StringIO(_bytes_of(path).decode("utf-8"), newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise _damaged(path, "a UTF-8 table with a header", str(error)) from error
    if header[:2] != _KEY_COLUMNS:
        raise _damaged(path, f"first columns {', '.join(_KEY_COLUMNS)}", ", ".join(header[:2]))
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise _damaged(path, f"{len(header)} cells in row {number}", f"{len(line)}")
    return [Item(line[0], line[1], dict(zip(header[2:], line[2:], strict=True))) for line in lines]


def _read_vectors(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    try:
        vectors = np.load(io.BytesIO(_bytes_of(path)), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise _damaged(path, "an array in the .npy format", str(error)) from error
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind != "f" or vectors.shape != shape:
        found = f"{vectors.dtype} {vectors.shape}" if isinstance(vectors, np.ndarray) else "an archive"
        raise _damaged(path, f"floats {shape}", found)
    return vectors.astype(np.float32)


def _table_bytes(items: Sequence[Item]) -> bytes:
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    names = list(items[0].columns)
    writer.writerow([*_KEY_COLUMNS, *names])
    writer.writerows([item.item_id, item.title, *(item.columns[name] for name in names)] for item in items)
    return table.getvalue().encode("utf-8")


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _damaged(path, "a readable file", error.strerror or str(error)) from error


def _digest(path: Path) -> str:
    return hashlib.sha256(_bytes_of(path)).hexdigest()


def _check_digest(path: Path, expected: str) -> None:
    if (found := _digest(path)) != expected:
        raise _damaged(path, f"sha256 {expected[:16]}", f"sha256 {found[:16]}")


def _damaged(path: Path, expected: str, found: str) -> DataLoss:
    return DataLoss("a file of the prior is damaged", field=path.name, expected=expected, found=found)
