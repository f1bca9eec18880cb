"""The catalogues of the priors that are served, as they are now: the folder's items, and what changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from apa.errors import ApaError
from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue, Change
from apa.store.catalogue_records import StoredItems, unpacked
from apa.store.catalogues import CatalogueStore, Head

_log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
PAGE = 256
"""Items that are read at once: between two pages others have the interpreter to themselves."""
REST = 8.0
"""How many times as long as it worked the watching thread rests."""


@dataclass(frozen=True)
class _Followed:
    """A catalogue, and up to which change of which history it is made on the folder's own."""

    folder: Catalogue
    epoch: str
    revision: int
    catalogue: Catalogue

    def is_at(self, folder: Catalogue, head: Head) -> bool:
        return self.folder is folder and (self.epoch, self.revision) == (head.epoch, head.revision)


class LiveCatalogues:
    """Follows the changes that the store keeps, on a thread of its own; a change is a new catalogue.

    Runs under way hold the catalogue that they began with. The first to ask for one that was not read yet
    waits until it is, so that nothing is shown that was deleted before this process started.

    Args:
        priors: what is served now, by name.
    """

    def __init__(self, store: CatalogueStore, priors: Callable[[], Mapping[str, Prior]]) -> None:
        self._store = store
        self._priors = priors
        self._followed: dict[str, _Followed] = {}
        # Held by whoever reads changes: two would read the same.
        self._reading = threading.Lock()
        self._said: dict[str, str] = {}
        self._woken = threading.Event()
        self._closed = threading.Event()

    def of(self, name: str, prior: Prior) -> Catalogue | None:
        """The catalogue of a prior, as of its last look; None for a prior without one.

        Args:
            prior: as it is served now; a folder that was replaced has other items.

        Raises:
            Unavailable: it was not read yet, and the store is away.
            DataLoss: a stored item is damaged.
        """
        folder = prior.catalogue
        if folder is None:
            return None
        followed = self._followed.get(name)
        if followed is None or followed.folder is not folder:
            with self._reading:
                followed = self._followed.get(name)
                if followed is None or followed.folder is not folder:
                    (head,) = self._store.heads([name])
                    followed = self._read(name, folder, head, rest=0.0)
        return followed.catalogue

    def num_items(self, name: str, prior: Prior) -> int:
        """As of the last look, which is not waited for."""
        followed = self._followed.get(name)
        if followed is None or followed.folder is not prior.catalogue:
            return prior.card.num_items
        return followed.catalogue.num_items

    def refresh(self, rest: float = 0.0) -> None:
        """Looks once, and reads what has changed.

        Args:
            rest: after each page, for so many times as long as it took.

        Raises:
            Unavailable: the store is away.
        """
        folders = {name: prior.catalogue for name, prior in self._priors().items()}
        served = {name: folder for name, folder in folders.items() if folder is not None}
        heads = self._store.heads(list(served)) if served else []
        for (name, folder), head in zip(served.items(), heads, strict=True):
            followed = self._followed.get(name)
            if followed is not None and followed.is_at(folder, head):
                continue
            try:
                with self._reading:
                    # Whoever asks for one that was never read waits for it.
                    self._read(name, folder, head, 0.0 if followed is None else rest)
                self._said.pop(name, None)
            except ApaError as error:
                self._say(name, f"the catalogue of prior {name} is served as it was: {error}")

    def wake(self) -> None:
        """Has the watching thread look now: something has changed."""
        self._woken.set()

    def watch(self, every_s: float = LOOK_EVERY_S) -> None:
        """Refreshes on a thread of its own until `close`."""
        threading.Thread(target=self._watch, args=(every_s,), name="catalogues", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        self._woken.set()

    def _watch(self, every_s: float) -> None:
        while not self._closed.is_set():
            began_s = time.monotonic()
            try:
                self.refresh(REST)
                self._said.pop("", None)
            except ApaError as error:
                self._say("", f"the catalogues cannot be followed just now: {error}")
            except Exception:
                _log.exception("the catalogues could not be followed")
            # Many changes in a row become few catalogues.
            self._closed.wait(min(1.0, time.monotonic() - began_s))
            self._woken.wait(every_s)
            self._woken.clear()

    def _say(self, what: str, message: str) -> None:
        """Once, not at every look."""
        if self._said.get(what) != message:
            _log.error(message)
            self._said[what] = message

    def _read(self, name: str, folder: Catalogue, head: Head, rest: float) -> _Followed:
        """Makes and keeps the catalogue at `head`, from the last one where that can be gone on from."""
        before = self._followed.get(name)
        if before is None or not _continues(before, folder, head):
            before = _Followed(folder, head.epoch, 0, folder)
        draft, revision = None, before.revision
        while revision < head.revision:
            began_s = time.thread_time()
            page = self._store.page(name, revision, head.revision, PAGE)
            draft = before.catalogue.draft() if draft is None else draft
            draft.take(_change(unpacked(page.item_ids, page.records, before.catalogue.num_dims)))
            revision = page.end
            if rest:
                self._closed.wait(rest * (time.thread_time() - began_s))
        catalogue = before.catalogue if draft is None else before.catalogue.drafted(draft)
        # Made here, once: not by the first run that needs it.
        _ = catalogue.shelf
        followed = _Followed(folder, head.epoch, head.revision, catalogue)
        # Replaced, not changed: others read without a lock.
        self._followed = self._followed | {name: followed}
        return followed


def _continues(before: _Followed, folder: Catalogue, head: Head) -> bool:
    same = before.folder is folder and before.epoch == head.epoch
    return same and head.forgotten <= before.revision <= head.revision


def _change(items: StoredItems) -> Change:
    """What was deleted is written first where it can be, so that it can be told."""
    full = np.flatnonzero(~items.bare)
    written = full.tolist()
    return Change(
        item_ids=[items.item_ids[row] for row in written],
        entries=[(items.item_ids[row], items.displays[row]) for row in written],
        vectors=items.vectors[full],
        in_stock=items.in_stock[full],
        deleted=[items.item_ids[row] for row in np.flatnonzero(items.deleted).tolist()],
    )
