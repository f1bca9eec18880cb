"""Items as files: a table and an array, as in the folder of a catalogue prior."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apa.client import CatalogueEntry
from apa.errors import InvalidArgument

IN_STOCK = "in_stock"
"""A column that is not for display."""
SAID = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def read_entries(table: Path, vectors: Path) -> list[CatalogueEntry]:
    """Row i of the table with vector i.

    Args:
        table: UTF-8 with a header; `item_id`, `title`, perhaps `in_stock`, the rest is for display.
        vectors: (M, D) in the .npy format.

    Raises:
        InvalidArgument: a file cannot be read, or the two do not belong together; it names the file.
    """
    rows = _rows(table)
    x = _array(vectors)
    if x.ndim != 2 or len(x) != len(rows):
        raise _refused(vectors, f"({len(rows)}, D), a vector for each row of {table.name}", str(x.shape))
    return [
        _entry(table, number, row, vector) for number, (row, vector) in enumerate(zip(rows, x, strict=True))
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _refused(path, "a UTF-8 table with a header", str(error)) from error
    if not {"item_id", "title"} <= set(reader.fieldnames or ()):
        raise _refused(path, "columns item_id and title", ", ".join(reader.fieldnames or ()))
    for number, row in enumerate(rows):
        if None in row or None in row.values():
            raise _refused(path, f"{len(reader.fieldnames or ())} cells in row {number + 2}", "more or fewer")
    return rows


def _array(path: Path) -> NDArray[np.float32]:
    try:
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float32)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise _refused(path, "an array of numbers in the .npy format", str(error)) from error


def _entry(path: Path, number: int, row: dict[str, str], vector: NDArray[np.float32]) -> CatalogueEntry:
    said = row.get(IN_STOCK, "1").strip().lower()
    if said not in SAID:
        raise _refused(path, f"{IN_STOCK} of row {number + 2}: one of {', '.join(SAID)}", repr(said))
    attributes = {name: value for name, value in row.items() if name not in ("item_id", "title", IN_STOCK)}
    return CatalogueEntry(row["item_id"], row["title"], vector, attributes, SAID[said])


def _refused(path: Path, expected: str, found: str) -> InvalidArgument:
    return InvalidArgument("the items cannot be read", field=str(path), expected=expected, found=found)
