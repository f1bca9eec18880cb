"""Records as the store keeps them: JSON with a schema version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from apa.errors import DataLoss, FailedPrecondition, NotFound

_M = TypeVar("_M", bound=BaseModel)


def loaded(model: type[_M], raw: bytes | str) -> _M:
    """The record in `raw`. Fields that a newer release added are left alone: the two may run side by side."""
    try:
        return model.model_validate_json(raw, extra="ignore")
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise DataLoss(
            f"a stored {model.__name__} cannot be read",
            field=".".join(str(part) for part in problem["loc"]),
            expected=problem["msg"],
        ) from error


def closed_session(session_id: str, closed_at: float) -> FailedPrecondition:
    """closed_at: Unix seconds."""
    when = datetime.fromtimestamp(closed_at, UTC)
    return FailedPrecondition(
        "the session is closed: it shows no more slates and takes no more answers",
        field="session_id",
        expected="a session that is open",
        found=f"{session_id}, closed at {when:%Y-%m-%dT%H:%M:%SZ}",
    )


def unknown_session(session_id: str) -> NotFound:
    return NotFound("no such session", field="session_id", expected="a session's id", found=session_id)
