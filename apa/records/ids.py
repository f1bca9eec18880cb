"""What ids may be made of, as rules and in words."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from apa.errors import InvalidArgument

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$"
ID_IN_WORDS = "letters, digits and _ . : -, the first a letter or a digit"
ID_OR_NONE_PATTERN = r"^([A-Za-z0-9][A-Za-z0-9_.:-]*)?$"

MAX_TEXT = 256
TEXT_IN_WORDS = f"1 to {MAX_TEXT} characters, none of them a control character or a line break"

# Control characters, halves of a pair that no encoding takes, and Unicode's own line and paragraph breaks.
_REFUSED = ("Cc", "Cs", "Zl", "Zp")


def is_plain(value: object) -> bool:
    """Whether the value is a text that can be sent, logged and shown as it is."""
    return isinstance(value, str) and not any(unicodedata.category(one) in _REFUSED for one in value)


def is_text(value: object) -> bool:
    """Whether the value can be an id that we did not make, e.g. a user's."""
    return isinstance(value, str) and 1 <= len(value) <= MAX_TEXT and is_plain(value)


def check_text(value: str, *, field: str) -> str:
    """The value, when `is_text`. Raises InvalidArgument naming the field otherwise."""
    if not is_text(value):
        found = repr(value)
        raise InvalidArgument(
            f"{field} is not valid",
            field=field,
            expected=TEXT_IN_WORDS,
            found=found if len(found) <= MAX_TEXT else f"{len(value)} characters",
        )
    return value


def _text(value: str) -> str:
    if not is_text(value):
        raise ValueError(TEXT_IN_WORDS)
    return value


ParticleId = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_text)]
