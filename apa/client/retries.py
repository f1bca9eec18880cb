"""When a call is tried again: only when a server was away, for a bounded time, and not before it asked."""

from __future__ import annotations

import random
from dataclasses import dataclass

import grpc

from apa.errors import ApaError, Unavailable
from apa.rpc.call_errors import from_rpc_error

FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 2.0


@dataclass(frozen=True)
class Retries:
    """Every call of the client may be repeated: it carries its ids, and the servers know them again.

    Args:
        retry_for_s: since the first attempt; no attempt begins after it.
    """

    retry_for_s: float = 10.0

    def delay_s(self, cause: grpc.RpcError, attempt: int, elapsed_s: float) -> float:
        """Seconds to wait before the next attempt.

        Args:
            attempt: 0 after the first one.

        Raises:
            ApaError: what `cause` means, when there is no next attempt.
        """
        error = from_rpc_error(cause)
        delay = self._backoff_s(error, attempt)
        if not isinstance(error, Unavailable) or elapsed_s + delay > self.retry_for_s:
            raise error from cause
        return delay

    @staticmethod
    def _backoff_s(error: ApaError, attempt: int) -> float:
        # Many clients see one server go away at one moment; they are not to come back at one moment too.
        backoff = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0**attempt) * random.uniform(0.5, 1.0)
        return max(backoff, error.retry_after_s or 0.0)


def refit_poll_s(attempt: int) -> float:
    """Seconds between two looks at a session that waits for its refit: a refit takes tens of milliseconds."""
    return min(0.5, 0.02 * 1.5**attempt)
