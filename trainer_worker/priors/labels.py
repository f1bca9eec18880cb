"""The classes of what a prior is fitted on: from a file of numbers, or a column of the item table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from apa.errors import InvalidArgument
from apa.priors.catalogue import Item
from trainer_worker.priors.data import TrainingData, read_idx

DROPOUT = 0.1
"""Share of the labels hidden at every step, so that one network learns the classes and the whole of them:
what classifier-free guidance needs (Ho and Salimans 2022 found 0.1 to 0.2 best)."""


def with_labels(data: TrainingData, source: str, items: Sequence[Item] | None) -> TrainingData:
    """The data with a class for each item.

    Args:
        source: an .npy or IDX file of M class numbers from 0, or the name of a column of the item table,
            whose different values are the classes; an item with an empty cell has none.
        items: the rows of the item table, if there is one.

    Raises:
        InvalidArgument: there is no such file or column, or it does not label the data.
    """
    path = Path(source)
    if path.is_file():
        return _numbered(data, _read_numbers(path))
    columns = sorted(items[0].columns) if items else []
    if not items or source not in columns:
        known = f", or one of the columns {', '.join(columns)}" if columns else " (or a column of --items)"
        raise _bad(f"a file{known}", source)
    return _named(data, [item.columns[source] for item in items])


def _read_numbers(path: Path) -> NDArray[np.int64]:
    try:
        numbers = np.load(path, allow_pickle=False) if path.suffix == ".npy" else read_idx(path)
    except (ValueError, EOFError, OSError) as error:
        raise _bad("a readable .npy array", f"{path.name}: {error}") from error
    if not isinstance(numbers, np.ndarray) or numbers.dtype.kind not in "iu":
        raise _bad("an array of integers", str(getattr(numbers, "dtype", "an archive")))
    return numbers.astype(np.int64)


def _numbered(data: TrainingData, numbers: NDArray[np.int64]) -> TrainingData:
    if numbers.shape != (len(data),):
        raise _bad(f"shape ({len(data)},), a class for each item", f"shape {numbers.shape}")
    classes = np.unique(numbers)
    # A class without items would be a condition that nothing was learnt for.
    if not np.array_equal(classes, np.arange(len(classes))):
        raise _bad("classes numbered from 0 without a gap", f"{classes[0]} to {classes[-1]}")
    return _labelled(data, numbers, tuple(map(str, classes)))


def _named(data: TrainingData, values: Sequence[str]) -> TrainingData:
    names = sorted(set(values) - {""})
    number_of = {name: number for number, name in enumerate(names)} | {"": len(names)}
    return _labelled(data, np.array([number_of[value] for value in values]), tuple(names))


def _labelled(data: TrainingData, labels: NDArray[np.int64], names: tuple[str, ...]) -> TrainingData:
    # More classes than half the items are not classes: a column of titles, given by mistake.
    if not 2 <= len(names) <= len(data) // 2:
        raise _bad(f"2 to {len(data) // 2} classes", str(len(names)))
    return replace(data, labels=torch.from_numpy(labels), class_names=names)


def _bad(expected: str, found: str) -> InvalidArgument:
    return InvalidArgument(
        "the labels cannot be used for a fit", field="labels", expected=expected, found=found
    )
