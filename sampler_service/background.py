"""A value that is made on a thread of its own once somebody asks for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from apa.errors import ApaError

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Background(Generic[T]):
    """Made once; what could not be made is tried again when somebody next asks.

    Args:
        make: may take long.
        what: for the log.
        made: the value, where it is there already.
    """

    def __init__(self, make: Callable[[], T], what: str, made: T | None = None) -> None:
        self._make = make
        self._what = what
        self._lock = threading.Lock()
        self._under_way = False
        self._made = made

    def get(self) -> T | None:
        """The value, or None while it is being made; never waits."""
        with self._lock:
            if self._made is None and not self._under_way:
                self._under_way = True
                threading.Thread(target=self._run, name=self._what, daemon=True).start()
            return self._made

    def _run(self) -> None:
        made = None
        try:
            made = self._make()
        except ApaError as error:
            _log.warning("%s could not be made: %s", self._what, error)
        except Exception:
            _log.exception("%s could not be made", self._what)
        finally:
            with self._lock:
                self._made, self._under_way = made, False
