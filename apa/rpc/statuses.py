"""`ApaError` to `google.rpc.Status` and back: the same class with the same fields on both sides.

The class travels as `ErrorInfo.reason`, since a code alone would lose it once a proxy or another language
sits between; each class has a code of its own nevertheless, so that a status without details still finds its
class.
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from apa import errors
from apa.errors import ApaError

Detail = TypeVar("Detail", bound=Message)

DOMAIN = "apa"

CODES: dict[type[ApaError], int] = {
    errors.InvalidArgument: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.AlreadyExists: code_pb2.ALREADY_EXISTS,
    errors.FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    errors.ResourceExhausted: code_pb2.RESOURCE_EXHAUSTED,
    errors.DeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
    errors.Cancelled: code_pb2.CANCELLED,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.DataLoss: code_pb2.DATA_LOSS,
    errors.NumericalError: code_pb2.OUT_OF_RANGE,
    errors.Internal: code_pb2.INTERNAL,
}
CLASSES: dict[int, type[ApaError]] = {code: cls for cls, code in CODES.items()}
REASONS: dict[str, type[ApaError]] = {cls.__name__: cls for cls in CODES}

# A status travels in the trailing metadata, which gRPC bounds at 8 KiB: a longer one would be dropped with
# its call.
MAX_MESSAGE_BYTES = 512
MAX_FIELD_BYTES = 256


def to_status(error: ApaError) -> status_pb2.Status:
    """The status of `error`; long texts are cut, so that it fits gRPC's trailing metadata."""
    message = _cut(error.message, MAX_MESSAGE_BYTES)
    status = status_pb2.Status(code=_code_of(error), message=message)
    fields = {"field": error.field, "expected": error.expected, "found": error.found}
    metadata = {key: _cut(value, MAX_FIELD_BYTES) for key, value in fields.items() if value}
    _attach(
        status, error_details_pb2.ErrorInfo(reason=type(error).__name__, domain=DOMAIN, metadata=metadata)
    )
    if error.field:
        description = "; ".join(f"{key}: {metadata[key]}" for key in ("expected", "found") if key in metadata)
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=metadata["field"], description=description
        )
        _attach(status, error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(round(error.retry_after_s * 1e9))
        _attach(status, error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def from_status(status: status_pb2.Status) -> ApaError:
    """The error of a status; from a server that is not ours, by its code and whatever details it has."""
    info = _detail(status, error_details_pb2.ErrorInfo) or error_details_pb2.ErrorInfo()
    bad_request = _detail(status, error_details_pb2.BadRequest)
    retry = _detail(status, error_details_pb2.RetryInfo)
    field, expected = info.metadata.get("field", ""), info.metadata.get("expected", "")
    if info.domain != DOMAIN and bad_request is not None and bad_request.field_violations:
        field = bad_request.field_violations[0].field
        expected = bad_request.field_violations[0].description
    return _class_of(status.code, info)(
        status.message or code_name(status.code),
        field=field,
        expected=expected,
        found=info.metadata.get("found", ""),
        retry_after_s=retry.retry_delay.ToNanoseconds() / 1e9 if retry is not None else None,
    )


def code_name(code: int) -> str:
    """The name of a status code, e.g. NOT_FOUND."""
    known = code in code_pb2.Code.values()
    return code_pb2.Code.Name(code_pb2.Code.ValueType(code)) if known else f"code {code}"


def _code_of(error: ApaError) -> int:
    return next(CODES[cls] for cls in (*type(error).__mro__, errors.Internal) if cls in CODES)


def _class_of(code: int, info: error_details_pb2.ErrorInfo) -> type[ApaError]:
    if info.domain == DOMAIN and info.reason in REASONS:
        return REASONS[info.reason]
    return CLASSES.get(code, errors.Internal)


def _attach(status: status_pb2.Status, detail: Message) -> None:
    status.details.add().Pack(detail)


def _detail(status: status_pb2.Status, kind: type[Detail]) -> Detail | None:
    for packed in status.details:
        detail = kind()
        if packed.Is(kind.DESCRIPTOR) and packed.Unpack(detail):
            return detail
    return None


def _cut(text: str, max_bytes: int) -> str:
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text
    return encoded[: max_bytes - 3].decode(errors="ignore") + "..."
