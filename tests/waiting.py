"""Waiting for something to become true, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], object], deadline_s: float = 10.0, what: str = "the condition"
) -> None:
    """Returns as soon as the condition holds; fails the test when it does not by the deadline."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not hold within {deadline_s:g} s"
        time.sleep(0.005)
