"""Reading what a prior is fitted on: vectors from .npy, images from a folder, an IDX file or an .npz."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from apa.errors import InvalidArgument, NotFound

MIN_ITEMS = 16
_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}


@dataclass(frozen=True)
class TrainingData:
    """The items, as stored, and their statistics in the data space.

    Attributes:
        items: (M, *data_shape): float32 vectors, or uint8 images, a quarter of the memory.
        mean: of all values, in the data space (images are scaled to [-1, 1]).
        std: of all values, in the data space.
        labels: (M,) int64, the class of each item, `len(class_names)` where it has none; or None.
        class_names: what the classes are called, in the order of their labels.
    """

    items: Tensor
    mean: float
    std: float
    labels: Tensor | None = None
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    @property
    def data_shape(self) -> tuple[int, ...]:
        return tuple(self.items.shape[1:])

    def batch(self, indices: Tensor) -> Tensor:
        """(B, *data_shape) float32 in the data space."""
        return to_data_space(self.items[indices])


def to_data_space(items: Tensor) -> Tensor:
    """uint8 images to [-1, 1]; vectors as they are."""
    return items.float() / 127.5 - 1.0 if items.dtype == torch.uint8 else items


def load_vectors(path: Path) -> TrainingData:
    """A (M, D) float .npy file."""
    _require_file(path, "data")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise _bad("data", "a readable .npy array", str(error)) from error
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        raise _bad("data", "an array of shape (M, D)", f"shape {getattr(array, 'shape', None)}")
    if array.dtype.kind != "f":
        raise _bad("data", "a float dtype", str(array.dtype))
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise _bad("data", "finite values", f"NaN or infinity in row {row}")
    return _summarise(torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)), "data")


def load_images(path: Path) -> TrainingData:
    """A folder of equally sized pictures, an IDX file (plain or gzip), or an .npz of one array."""
    if path.is_dir():
        array = _read_folder(path)
    else:
        _require_file(path, "images")
        array = _read_npz(path) if path.suffix == ".npz" else read_idx(path)
    if array.dtype != np.uint8:
        raise _bad("images", "dtype uint8", str(array.dtype))
    if array.ndim not in (3, 4):
        raise _bad("images", "(M, H, W) or (M, H, W, C)", f"shape {array.shape}")
    channels_first = array[:, None] if array.ndim == 3 else array.transpose(0, 3, 1, 2)
    return _summarise(torch.from_numpy(channels_first.copy()), "images")


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of an IDX file, the format of the MNIST family."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            zeros, dtype_code, num_dims = struct.unpack(">HBB", file.read(4))
            if zeros != 0 or dtype_code != 8:
                raise _bad(
                    "images", "an IDX file of unsigned bytes", f"first bytes {zeros:04x}{dtype_code:02x}"
                )
            shape = struct.unpack(f">{num_dims}I", file.read(4 * num_dims))
            return np.frombuffer(file.read(), dtype=np.uint8).reshape(shape)
    except (struct.error, ValueError, EOFError, OSError) as error:
        raise _bad("images", "a readable IDX file", f"{path.name}: {error}") from error


def _read_npz(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            first: np.ndarray = arrays[arrays.files[0]]
            return first
    except (ValueError, EOFError, OSError, IndexError) as error:
        raise _bad("images", "a readable .npz with one array", str(error)) from error


def _read_folder(folder: Path) -> np.ndarray:
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in _IMAGE_SUFFIXES)
    if not paths:
        raise _bad("images", f"pictures ({', '.join(sorted(_IMAGE_SUFFIXES))})", "none in the folder")
    pictures = [_read_picture(path) for path in paths]
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            found = f"{path.name} of shape {picture.shape}"
            raise _bad("images", f"every picture of shape {pictures[0].shape}, as {paths[0].name}", found)
    return np.stack(pictures)


def _read_picture(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise _bad("images", "a readable picture", f"{path.name}: {error}") from error


def _summarise(items: Tensor, field: str) -> TrainingData:
    if len(items) < MIN_ITEMS:
        raise _bad(field, f"at least {MIN_ITEMS} items", str(len(items)))
    values = to_data_space(items).double()
    std = values.std().item()
    if std == 0.0:
        raise _bad(field, "values that vary", "one value everywhere")
    # Rounded, because the last digits depend on the number of threads, and a fit may be resumed with another.
    return TrainingData(items, _rounded(values.mean().item()), _rounded(std))


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _require_file(path: Path, field: str) -> None:
    if not path.is_file():
        raise NotFound("no such file", field=field, expected="an existing file", found=str(path))


def _bad(field: str, expected: str, found: str) -> InvalidArgument:
    return InvalidArgument("the data cannot be used for a fit", field=field, expected=expected, found=found)
