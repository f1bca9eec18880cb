"""The five tasks by name; each is made once in a process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from benchmarks.alignment.tasks.fashion import fashion, fashion_binary
from benchmarks.alignment.tasks.films import Films
from benchmarks.alignment.tasks.mixtures import FourOptima, SixtyFour
from benchmarks.alignment.tasks.task import FIRST_HELD_OUT, HiddenTaste, Task

__all__ = ["FIRST_HELD_OUT", "TASKS", "HiddenTaste", "Task", "task_of"]

TASKS: dict[str, Callable[[], Task]] = {
    "four-optima": FourOptima,
    "mixture-64": SixtyFour,
    "fashion": fashion,
    "fashion-binary": fashion_binary,
    "films": Films,
}


@cache
def task_of(name: str) -> Task:
    """Raises KeyError."""
    return TASKS[name]()
