"""Checks arguments before they become a message: what protobuf refuses, it refuses without naming a field."""

from __future__ import annotations

from collections.abc import Sequence

from apa.errors import InvalidArgument
from apa.records.ids import is_plain

MAX_UINT32 = 2**32 - 1


def whole_number(value: object, *, field: str, least: int) -> int:
    """Raises InvalidArgument unless the value is an int that a message can carry, of at least `least`."""
    if type(value) is not int or not least <= value <= MAX_UINT32:
        raise _refused(field, f"a whole number from {least} to {MAX_UINT32}", value)
    return value


def flag(value: object, *, field: str) -> bool:
    if not isinstance(value, bool):
        raise _refused(field, "True or False", value)
    return value


def text(value: str | None, *, field: str) -> str | None:
    """A text or None for none; how long it may be is the server's to say. Raises InvalidArgument."""
    return None if value is None else some_text(value, field=field)


def some_text(value: str, *, field: str) -> str:
    if not is_plain(value):
        raise _refused(field, "a text without control characters and line breaks", value)
    return value


def some_texts(values: Sequence[str], *, field: str) -> list[str]:
    """Raises InvalidArgument for one text in place of several: it is a sequence of texts too."""
    if isinstance(values, str):
        raise _refused(field, "a list of texts", values)
    return [some_text(value, field=f"{field}.{place}") for place, value in enumerate(values)]


def own_id(value: str | None, *, field: str) -> str | None:
    """An id that the caller chose. An empty one would be replaced silently by one that is drawn."""
    if value == "":
        raise _refused(field, "an id, or None for one that is drawn", value)
    return text(value, field=field)


def _refused(field: str, expected: str, value: object) -> InvalidArgument:
    return InvalidArgument(f"{field} is not valid", field=field, expected=expected, found=repr(value)[:120])
