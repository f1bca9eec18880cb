"""Catalogues that are live: the newest record of every changed item, and in which order they changed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import redis

from apa import keys
from apa.records.catalogue import CatalogueChange, Entries
from apa.store.catalogue_records import BARE_DELETION, joined, packed, parted
from apa.store.connection import guarded
from apa.store.lua import milliseconds, script, text

KEEP_DELETED_S = 7 * 86_400.0
"""How long the mark of a deletion stays of an item that is in no folder."""
FORGOTTEN_AT_ONCE = 1000
"""Such marks that one deletion removes at most."""


@dataclass(frozen=True)
class Head:
    """How far a prior's changes have come.

    Attributes:
        epoch: another one means another history, as after a server that lost its data; "" before the first.
        revision: of the newest change; 0 before the first.
        forgotten: whoever has not read further than this has missed deletions, and reads all again.
    """

    epoch: str = ""
    revision: int = 0
    forgotten: int = 0


@dataclass(frozen=True)
class Page:
    """Changed items in the order of their changes, each as it is now.

    Attributes:
        end: the revision to go on from.
    """

    item_ids: Sequence[str]
    records: Sequence[bytes]
    end: int


class CatalogueStore:
    """Changes of catalogues; the items that nobody changed are those of the prior's folder."""

    def __init__(self, client: redis.Redis, *, keep_deleted_s: float = KEEP_DELETED_S) -> None:
        self._client = client
        self._keep_deleted_s = keep_deleted_s
        self._upsert = script(client, "upsert_items")
        self._delete = script(client, "delete_items")
        self._changed = script(client, "changed_items")

    @guarded
    def upsert(self, prior: str, entries: Entries) -> CatalogueChange:
        """Writes all of them, durably, or none."""
        items = joined(entries.item_ids, packed(entries))
        revision, changed = self._upsert(keys=_keys(prior), args=[_drawn_epoch(), items])
        return CatalogueChange(revision, changed)

    @guarded
    def delete(self, prior: str, item_ids: Sequence[str], in_folder: Iterable[bool]) -> CatalogueChange:
        """Marks them as deleted, durably. Unknown ids, and what is deleted already, change nothing.

        Args:
            in_folder: of each, whether the prior's folder has it, whose deletion is remembered for good.
        """
        args: list[str | bytes | int] = [
            _drawn_epoch(),
            BARE_DELETION,
            milliseconds(self._keep_deleted_s),
            FORGOTTEN_AT_ONCE,
        ]
        for item_id, there in zip(item_ids, in_folder, strict=True):
            args += (item_id, int(there))
        revision, changed = self._delete(keys=_keys(prior), args=args)
        return CatalogueChange(revision, changed)

    @guarded
    def heads(self, priors: Sequence[str]) -> list[Head]:
        """Of each, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for prior in priors:
            pipeline.hmget(keys.catalogue_state(prior), ["epoch", "revision", "forgotten"])
        return [
            Head(text(epoch or b""), int(revision or 0), int(forgotten or 0))
            for epoch, revision, forgotten in pipeline.execute()
        ]

    @guarded
    def page(self, prior: str, after: int, to: int, limit: int) -> Page:
        """Up to `limit` items whose newest change is after one revision, and not after the other.

        An item that changes again meanwhile is told as it is then, or left out: it comes after `to`.
        """
        of_items = [keys.catalogue_items(prior), keys.catalogue_changes(prior)]
        found, last, items = self._changed(keys=of_items, args=[after, to, limit])
        item_ids, records = parted(items)
        return Page(item_ids, records, int(last) if found == limit else to)


def _keys(prior: str) -> list[str]:
    return [
        keys.catalogue_items(prior),
        keys.catalogue_changes(prior),
        keys.catalogue_state(prior),
        keys.catalogue_deleted(prior),
    ]


def _drawn_epoch() -> str:
    return secrets.token_hex(8)
