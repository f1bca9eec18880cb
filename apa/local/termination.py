"""SIGTERM as an exception, so that `with` blocks end as they do on Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """SystemExit on SIGTERM; nothing outside the main thread, or where the program has its own handler."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, _frame: FrameType | None) -> None:
    # Once: a second signal must not break off the cleaning up that the first one began.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)
