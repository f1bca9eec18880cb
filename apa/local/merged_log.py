"""One log of many parts: each line with the name of its part, and the last ones kept for a report."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from typing import IO

WIDTH = len("feedback")
KEPT_LINES = 30


class MergedLog:
    """Takes lines from any thread and hands them on one at a time.

    Args:
        write: gets each line, prefixed and without its end; None for nowhere.
    """

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._last: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=KEPT_LINES))

    def line(self, part: str, text: str) -> None:
        with self._lock:
            self._last[part].append(text)
            if self._write is not None:
                self._write(f"{part:<{WIDTH}} | {text}")

    def last_lines(self, part: str) -> list[str]:
        with self._lock:
            return list(self._last[part])

    def follow(
        self, part: str, pipe: IO[str], tidy: Callable[[str], str | None] = lambda text: text
    ) -> threading.Thread:
        """Reads a child's output until it ends. A full pipe would stop the child, so this never waits.

        Args:
            tidy: gives each line as it is to be logged; None for one to be left out.
        """

        def read() -> None:
            with pipe:
                for text in pipe:
                    tidied = tidy(text.rstrip("\n"))
                    if tidied is not None:
                        self.line(part, tidied)

        thread = threading.Thread(target=read, name=f"log of {part}", daemon=True)
        thread.start()
        return thread
