"""The trainer's log without what Celery says of itself: an operator needs what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping

LEVEL = "APA_TRAINER_LOG_LEVEL"
ROOT_WARNING = "ignore:You're running the worker with superuser privileges"
"""Of Celery, for messages that are unpickled; the trainer takes JSON only."""

_BANNER = re.compile(r"\s*$| ?-[- ]|\s+\.> ")
_PRINTED = re.compile(r"\[[^]]* WARNING/MainProcess\] (ready trainer .*)")
"""Celery logs what a worker prints as a warning, the ready line too."""


def calm_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for a trainer that logs from WARNING on: INFO has two lines for each sweep, all five seconds.

    A level that the user has set stays.
    """
    filters = [one for one in (environ.get("PYTHONWARNINGS"), ROOT_WARNING) if one]
    return {LEVEL: environ.get(LEVEL, "WARNING"), "PYTHONWARNINGS": ",".join(filters)}


def tidied(line: str) -> str | None:
    """A line of the trainer as it is to be shown; None for one of Celery's banner."""
    if _BANNER.match(line):
        return None
    printed = _PRINTED.fullmatch(line)
    return printed[1] if printed else line
