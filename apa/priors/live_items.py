"""Items of a catalogue that changes: a folder's, and records that are read when they are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from apa.errors import DataLoss
from apa.priors.catalogue_item import Item

Entry = Item | tuple[str, bytes]
"""An item, or its id with its title and attributes as JSON."""


@dataclass(frozen=True, eq=False)
class LiveItems(Sequence[Item]):
    """Many of these as a sequence of items; immutable."""

    entries: list[Entry]

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        if isinstance(place, slice):
            return [_item(entry) for entry in self.entries[place]]
        return _item(self.entries[place])

    def item_id(self, place: int) -> str:
        """Without reading the rest of a record."""
        entry = self.entries[place]
        return entry.item_id if isinstance(entry, Item) else entry[0]

    def __iter__(self) -> Iterator[Item]:
        return map(_item, self.entries)


def entries_of(items: Sequence[Item]) -> list[Entry]:
    """A copy, which may be changed."""
    return items.entries.copy() if isinstance(items, LiveItems) else list(items)


def _item(entry: Entry) -> Item:
    if isinstance(entry, Item):
        return entry
    item_id, display = entry
    try:
        shown = json.loads(display or b'{"title": "", "attributes": {}}')
        return Item(item_id, shown["title"], shown["attributes"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataLoss("a stored item cannot be read", field="item_id", found=item_id) from error
