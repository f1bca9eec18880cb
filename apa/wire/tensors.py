"""Tensors as packed little-endian bytes with dtype and shape, and populations in chunks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apa.errors import InvalidArgument
from apa.pb import common_pb2
from apa.records.run_events import ParticleChunk

DTYPES: dict[common_pb2.DataType, np.dtype[Any]] = {
    common_pb2.DATA_TYPE_FLOAT32: np.dtype("<f4"),
    common_pb2.DATA_TYPE_FLOAT64: np.dtype("<f8"),
    common_pb2.DATA_TYPE_INT64: np.dtype("<i8"),
    common_pb2.DATA_TYPE_UINT8: np.dtype("u1"),
}
CODES: dict[np.dtype[Any], common_pb2.DataType] = {dtype: code for code, dtype in DTYPES.items()}

MAX_DIMS = 32
CHUNK_BYTES = 256 * 1024
"""Aim of a chunk: with whole rows of up to 1 MiB, chunks lie between 64 KiB and 1 MiB."""
AROUND_A_CHUNK_BYTES = 1024
"""More than what a message holds beside its tensors."""


def tensor_to_pb(array: NDArray[Any]) -> common_pb2.Tensor:
    """Packs an array of float32, float64, int64 or uint8.

    Raises:
        InvalidArgument: for another dtype.
    """
    little_endian = array.dtype.newbyteorder("<")
    if little_endian not in CODES:
        expected = "one of " + ", ".join(dtype.name for dtype in CODES)
        raise InvalidArgument(
            "a tensor of this dtype cannot travel", field="dtype", expected=expected, found=array.dtype.name
        )
    data = np.ascontiguousarray(array, dtype=little_endian).tobytes()
    return common_pb2.Tensor(dtype=CODES[little_endian], shape=array.shape, data=data)


def tensor_from_pb(
    tensor: common_pb2.Tensor,
    *,
    field: str,
    dtype: type[np.generic] | None = None,
    shape: Sequence[int | None] | None = None,
) -> NDArray[Any]:
    """The array of a packed tensor, read-only: it shares the message's bytes.

    Args:
        field: where the tensor sits in the request, for the error.
        dtype: the only one that is accepted, when given.
        shape: the only one that is accepted, when given; None stands for any length of an axis.

    Raises:
        InvalidArgument: dtype, shape and length of the data do not fit each other, or what was asked for.
    """
    found_dtype = _dtype(tensor, field)
    found_shape = _shape(tensor, field)
    if dtype is not None and found_dtype != np.dtype(dtype):
        raise _refused(f"{field}.dtype", np.dtype(dtype).name, found_dtype.name)
    if shape is not None and not _fits(found_shape, shape):
        wanted = "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"
        raise _refused(f"{field}.shape", wanted, str(found_shape))
    num_bytes = math.prod(found_shape) * found_dtype.itemsize
    if num_bytes != len(tensor.data):
        expected = f"{num_bytes} bytes for {found_dtype.name} {found_shape}"
        raise _refused(f"{field}.data", expected, f"{len(tensor.data)} bytes")
    return np.frombuffer(tensor.data, dtype=found_dtype).reshape(found_shape)


def chunks(
    x: NDArray[np.float32], log_weights: NDArray[np.float64], max_message_bytes: int | None = None
) -> Iterator[ParticleChunk]:
    """A population in chunks of whole rows.

    Args:
        x: (N, *data_shape).
        log_weights: (N,), unnormalised.
        max_message_bytes: the channel's limit, which one row alone may still be over; None for no limit.
    """
    num_particles = len(x)
    aim = CHUNK_BYTES
    if max_message_bytes is not None:
        aim = min(aim, max_message_bytes - AROUND_A_CHUNK_BYTES)
    num_rows = max(1, aim // max(1, x[:1].nbytes + log_weights[:1].nbytes))
    for offset in range(0, num_particles, num_rows):
        end = min(offset + num_rows, num_particles)
        yield ParticleChunk(offset, x[offset:end], log_weights[offset:end], last=end == num_particles)


def _dtype(tensor: common_pb2.Tensor, field: str) -> np.dtype[Any]:
    if tensor.dtype not in DTYPES:
        expected = "one of " + ", ".join(common_pb2.DataType.Name(known) for known in DTYPES)
        raise _refused(f"{field}.dtype", expected, f"{tensor.dtype}")
    return DTYPES[tensor.dtype]


def _shape(tensor: common_pb2.Tensor, field: str) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    if len(shape) > MAX_DIMS:
        raise _refused(f"{field}.shape", f"at most {MAX_DIMS} axes", f"{len(shape)} axes")
    if any(length < 0 for length in shape):
        raise _refused(f"{field}.shape", "lengths of 0 or more", str(shape))
    return shape


def _fits(found: tuple[int, ...], wanted: Sequence[int | None]) -> bool:
    return len(found) == len(wanted) and all(
        length is None or length == one for one, length in zip(found, wanted, strict=True)
    )


def _refused(field: str, expected: str, found: str) -> InvalidArgument:
    return InvalidArgument("the tensor is not valid", field=field, expected=expected, found=found)
