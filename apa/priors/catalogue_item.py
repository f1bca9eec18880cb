"""One item of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One item as a caller sees it. `columns` holds what there is to display, e.g. year and genres."""

    item_id: str
    title: str
    columns: Mapping[str, str]
