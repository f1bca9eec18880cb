"""Tensors survive the wire, and damaged ones are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from apa.errors import InvalidArgument
from apa.pb import common_pb2
from apa.wire.run_events import event_to_pb
from apa.wire.tensors import chunks, tensor_from_pb, tensor_to_pb

DTYPES = st.sampled_from(["<f4", ">f4", "<f8", ">f8", "<i8", ">i8", "u1"])
ARRAYS = DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0)))


@given(ARRAYS)
def test_an_array_of_any_byte_order_comes_back_the_same(array: NDArray[Any]) -> None:
    back = tensor_from_pb(tensor_to_pb(array), field="x")
    assert back.shape == array.shape
    assert back.dtype.isnative
    np.testing.assert_array_equal(back, array)


def test_a_view_with_strides_comes_back_the_same() -> None:
    array = np.arange(24, dtype=np.float32).reshape(4, 6)[::2, ::-3]
    np.testing.assert_array_equal(tensor_from_pb(tensor_to_pb(array), field="x"), array)


def test_bytes_are_little_endian() -> None:
    assert tensor_to_pb(np.array([1], dtype=">i8")).data == b"\x01" + b"\x00" * 7


def test_a_dtype_without_a_code_is_refused() -> None:
    with pytest.raises(InvalidArgument) as caught:
        tensor_to_pb(np.zeros(2, dtype=np.float16))
    assert caught.value.found == "float16"


BAD = {
    "x.dtype": common_pb2.Tensor(shape=[1], data=b"1234"),
    "x.data": common_pb2.Tensor(dtype="DATA_TYPE_FLOAT32", shape=[2], data=b"1234"),
    "x.shape": common_pb2.Tensor(dtype="DATA_TYPE_FLOAT32", shape=[-1, -1], data=b"1234"),
}


@pytest.mark.parametrize("field", BAD)
def test_a_tensor_that_does_not_fit_itself_names_its_field(field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        tensor_from_pb(BAD[field], field="x")
    assert caught.value.field == field
    assert caught.value.expected
    assert caught.value.found


def test_a_shape_that_overflows_is_refused_before_anything_is_allocated() -> None:
    tensor = common_pb2.Tensor(dtype="DATA_TYPE_FLOAT32", shape=[2**62, 2**62, 4], data=b"")
    with pytest.raises(InvalidArgument) as caught:
        tensor_from_pb(tensor, field="x")
    assert caught.value.field == "x.data"


def test_a_tensor_of_another_shape_or_dtype_than_asked_for_is_refused() -> None:
    tensor = tensor_to_pb(np.zeros((3, 2), dtype=np.float32))
    assert tensor_from_pb(tensor, field="x", dtype=np.float32, shape=(None, 2)).shape == (3, 2)
    with pytest.raises(InvalidArgument) as caught:
        tensor_from_pb(tensor, field="x", shape=(None, 5))
    assert (caught.value.expected, caught.value.found) == ("(any, 5)", "(3, 2)")
    with pytest.raises(InvalidArgument) as caught:
        tensor_from_pb(tensor, field="x", dtype=np.float64)
    assert (caught.value.expected, caught.value.found) == ("float64", "float32")


@given(num=st.integers(1, 600), dims=st.integers(1, 70_000))
def test_chunks_hold_every_row_once_and_keep_to_their_size(num: int, dims: int) -> None:
    # One row seen num times: as large as a population, without its memory.
    x = np.broadcast_to(np.float32(0), (num, dims))
    made = list(chunks(x, np.arange(num, dtype=np.float64)))
    assert np.concatenate([chunk.log_weights for chunk in made]).tolist() == list(range(num))
    assert [chunk.offset for chunk in made] == [int(chunk.log_weights[0]) for chunk in made]
    assert [chunk.last for chunk in made] == [False] * (len(made) - 1) + [True]
    assert all(len(chunk.x) == len(chunk.log_weights) for chunk in made)
    sizes = [chunk.x.nbytes for chunk in made]
    assert all(64 * 1024 <= size <= 1024 * 1024 for size in sizes[:-1])


@given(
    num=st.integers(1, 60_000), dims=st.integers(1, 15_000), limit=st.sampled_from([65_536, 100_000, 2**24])
)
def test_chunks_fit_the_message_size_that_the_channel_allows(num: int, dims: int, limit: int) -> None:
    x = np.broadcast_to(np.float32(0), (num, dims))
    log_weights = np.broadcast_to(np.float64(0), (num,))
    largest = max(chunks(x, log_weights, limit), key=lambda chunk: len(chunk.x))
    assert event_to_pb(largest, sequence=2**31).ByteSize() <= limit


def test_a_row_over_the_message_size_travels_alone() -> None:
    made = list(chunks(np.zeros((3, 20_000), np.float32), np.zeros(3), max_message_bytes=65_536))
    assert [len(chunk.x) for chunk in made] == [1, 1, 1]
