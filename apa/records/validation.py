"""Pydantic's errors as ours: the first offending field, what was expected and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from apa.errors import InvalidArgument
from apa.records.ids import ID_IN_WORDS, ID_OR_NONE_PATTERN, ID_PATTERN

Model = TypeVar("Model", bound=BaseModel)

PATTERNS_IN_WORDS = {ID_PATTERN: ID_IN_WORDS, ID_OR_NONE_PATTERN: f"{ID_IN_WORDS}, or nothing"}
MAX_FOUND = 120
"""Characters of a refused value that an error repeats."""


def validated(model: type[Model], data: Mapping[str, Any], *, field: str = "") -> Model:
    """`data` as a `model`.

    Args:
        field: where `data` sits in the request, put before the path of the offending field.

    Raises:
        InvalidArgument: for the first field that is wrong; the message counts the others.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid_argument(error, field=field) from error


def invalid_argument(error: ValidationError, *, field: str = "") -> InvalidArgument:
    """The first of pydantic's errors as an `InvalidArgument`."""
    first = error.errors(include_url=False)[0]
    path = ".".join([*([field] if field else []), *map(str, first["loc"])])
    others = error.error_count() - 1
    return InvalidArgument(
        f"{error.title} is not valid" + (f" ({others} more errors)" if others else ""),
        field=path,
        expected=_expected(first),
        found=_found(first),
    )


def _expected(details: Any) -> str:
    if details["type"] == "missing":
        return "a value"
    if details["type"] == "extra_forbidden":
        return "no field of this name"
    message: str = details["msg"]
    if details["type"] == "string_pattern_mismatch":
        return PATTERNS_IN_WORDS.get(details["ctx"]["pattern"], message)
    for lead in ("Value error, ", "Input should be ", "String should have "):
        message = message.removeprefix(lead)
    return message


def _found(details: Any) -> str:
    value = details["input"]
    if details["type"] == "missing":
        return "nothing"
    # A rule over several fields is given the whole record, which says nothing: its message names the values.
    if isinstance(value, Mapping | BaseModel):
        return ""
    text = repr(value)
    return text if len(text) <= MAX_FOUND else text[: MAX_FOUND - 3] + "..."
