"""Every error survives the wire with its class and its fields."""

from __future__ import annotations

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from apa import errors
from apa.errors import ApaError
from apa.rpc.statuses import CODES, from_status, to_status

FAMILY = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, ApaError)]
FAMILY.remove(ApaError)


def test_every_class_has_a_code_of_its_own() -> None:
    assert set(CODES) == set(FAMILY)
    assert len(set(CODES.values())) == len(FAMILY)


@pytest.mark.parametrize("cls", FAMILY)
@given(
    field=st.text(max_size=30),
    expected=st.text(max_size=30),
    found=st.text(max_size=30),
    retry_after_s=st.none() | st.floats(0, 1e6),
)
def test_an_error_comes_back_with_its_class_and_fields(
    cls: type[ApaError], field: str, expected: str, found: str, retry_after_s: float | None
) -> None:
    error = cls("what happened", field=field, expected=expected, found=found, retry_after_s=retry_after_s)
    back = from_status(status_pb2.Status.FromString(to_status(error).SerializeToString()))
    assert type(back) is cls
    assert (back.message, back.field, back.expected, back.found) == ("what happened", field, expected, found)
    assert back.retry_after_s == (None if retry_after_s is None else pytest.approx(retry_after_s, abs=1e-9))


def test_a_subclass_travels_as_the_class_that_callers_know() -> None:
    class Narrower(errors.NotFound):
        pass

    assert type(from_status(to_status(Narrower("gone")))) is errors.NotFound


def test_the_code_alone_finds_the_class() -> None:
    assert type(from_status(status_pb2.Status(code=code_pb2.NOT_FOUND, message="gone"))) is errors.NotFound


def test_a_code_that_has_no_class_is_internal_and_named() -> None:
    back = from_status(status_pb2.Status(code=code_pb2.UNIMPLEMENTED))
    assert type(back) is errors.Internal
    assert back.message == "UNIMPLEMENTED"


def test_another_servers_bad_request_gives_its_field() -> None:
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message="bad")
    violation = error_details_pb2.BadRequest.FieldViolation(field="a.b", description="at least 1")
    status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    back = from_status(status)
    assert (back.field, back.expected) == ("a.b", "at least 1")


def test_a_status_of_long_texts_fits_the_trailing_metadata() -> None:
    long = "ü" * 10_000
    status = to_status(errors.InvalidArgument(long, field=long, expected=long, found=long, retry_after_s=1))
    assert len(status.SerializeToString()) < 4096
    assert from_status(status).message.endswith("...")
