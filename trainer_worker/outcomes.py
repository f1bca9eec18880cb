"""Results of many, of which each may fail alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


def each(given: Sequence[A], compute: Callable[[A], T]) -> list[T | Exception]:
    """The result of each, or the error that it ended with."""
    return [_outcome(one, compute) for one in given]


def _outcome(one: A, compute: Callable[[A], T]) -> T | Exception:
    try:
        return compute(one)
    except Exception as error:
        return error
