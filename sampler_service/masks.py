"""Which items of a catalogue a call lets be shown, beside what is in stock and was not seen yet."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from apa.errors import InvalidArgument
from apa.priors.catalogue import Catalogue
from apa.priors.shelf import Shelf
from apa.records.ids import MAX_TEXT, TEXT_IN_WORDS

MAX_MASKED = 10_000
"""Items that one list may name."""
EXCLUDE, ONLY = "exclude_item_ids", "only_item_ids"


@dataclass(frozen=True)
class Masks:
    """What a caller rules out. Ids that the catalogue does not have say nothing.

    Attributes:
        excluded: items that are not shown.
        only: nothing else is shown; empty for no such set.
    """

    excluded: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()

    @property
    def arguments(self) -> dict[str, object]:
        """By name, without what is left out: how many, and a digest that differs where the items do."""
        given = {EXCLUDE: self.excluded, ONLY: self.only}
        return {name: _told(item_ids) for name, item_ids in given.items() if item_ids}

    def shelf(self, catalogue: Catalogue) -> Shelf:
        """What is in stock of what may be shown at all."""
        return catalogue.among(self.only) if self.only else catalogue.shelf

    def blocked(self, catalogue: Catalogue, seen: Collection[str]) -> set[int]:
        """Positions of what is not shown although it is on the shelf."""
        return catalogue.positions_of(seen) | catalogue.positions_of(self.excluded)


NO_MASKS = Masks()


def masks_of(exclude: Sequence[str], only: Sequence[str]) -> Masks:
    """Raises InvalidArgument for too many items, or an id that no catalogue can have."""
    for field, item_ids in ((EXCLUDE, exclude), (ONLY, only)):
        if len(item_ids) > MAX_MASKED:
            raise InvalidArgument(
                "a list names too many items",
                field=field,
                expected=f"at most {MAX_MASKED}",
                found=str(len(item_ids)),
            )
        for place, item_id in enumerate(item_ids):
            if not 1 <= len(item_id) <= MAX_TEXT:
                raise InvalidArgument(
                    "this is no item's id",
                    field=f"{field}.{place}",
                    expected=TEXT_IN_WORDS,
                    found=f"{len(item_id)} characters",
                )
    return Masks(frozenset(exclude), frozenset(only))


def check_maskable(masks: Masks, catalogue: Catalogue | None) -> None:
    """Raises InvalidArgument for masks where no items are shown."""
    if catalogue is None and masks != NO_MASKS:
        raise InvalidArgument(
            "only what a session is shown of a catalogue can be masked",
            field=EXCLUDE if masks.excluded else ONLY,
            expected="a session of a prior with a catalogue",
            found="none, or a prior without items",
        )


def _told(item_ids: frozenset[str]) -> str:
    # No id holds a line break.
    digest = hashlib.sha256("\n".join(sorted(item_ids)).encode()).hexdigest()
    return f"{len(item_ids)} items, {digest[:16]}"
