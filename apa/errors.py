"""The one family of errors. Each names the field, what was expected and what was found.

Nothing here knows gRPC: `apa.rpc.statuses` maps each class to a status code and back.
"""

from __future__ import annotations


class ApaError(Exception):
    """Base of every error that a caller may see.

    Args:
        message: one sentence for a person.
        field: the offending field as a dotted path, or "" when no single field is to blame.
        expected: what would have been accepted.
        found: what was given, shortened by the caller where it is long.
        retry_after_s: seconds after which the same call may succeed; None when it never will.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        expected: str = "",
        found: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.expected = expected
        self.found = found
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        parts = [self.message]
        if self.field:
            parts.append(f"field: {self.field}")
        if self.expected:
            parts.append(f"expected: {self.expected}")
        if self.found:
            parts.append(f"found: {self.found}")
        return "; ".join(parts)


class InvalidArgument(ApaError):
    """The request is wrong whatever the state of the system: shape, range, unknown name."""


class NotFound(ApaError):
    """The session, prior, particle or version does not exist, or has expired."""


class AlreadyExists(ApaError):
    """The id is taken by something else: another payload, or another answer for the same particle."""


class FailedPrecondition(ApaError):
    """The request is fine but the state forbids it: budget spent, session closed."""


class ResourceExhausted(ApaError):
    """A bound was reached: waiting runs, message size."""


class DeadlineExceeded(ApaError):
    """The caller's deadline passed before the work was done."""


class Cancelled(ApaError):
    """The caller went away, or asked to stop."""


class Unavailable(ApaError):
    """A part this one needs is away (Redis, a server that drains); trying again may help."""


class DataLoss(ApaError):
    """A stored file or record is damaged: a prior folder, a surrogate artifact."""


class NumericalError(ApaError):
    """A number became non-finite; the message names the step."""


class Internal(ApaError):
    """Our own bug, reported without its traceback."""
