"""The priors that this server has loaded, by name, and the newer versions that replace them while it runs."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from apa.errors import ApaError, NotFound
from apa.priors.base import Prior
from apa.priors.folder import load_prior

_log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and time of change of each file: another one means that the folder was written to."""


class PriorRegistry:
    """Loads every folder at once; a damaged one answers with its own error and leaves the others alone.

    `refresh` loads what is new or has changed beside what is served, then swaps: runs under way hold the
    prior that they began with, the next run gets the new one. A version that is damaged does not replace a
    good one, and a folder that goes away stays served, as its sessions still need it.

    Loading copies weights to the device from the caller's thread; everything else there is the engine's.

    Args:
        find: the folders as they are now, by the name that requests use, which is the folder's and wins over
            the card's.
    """

    def __init__(self, find: Callable[[], Mapping[str, Path]], device: str = "cpu") -> None:
        self._find = find
        self._device = device
        self._found: dict[str, Prior | ApaError] = {}
        self._loaded: dict[str, tuple[Path, Fingerprint]] = {}
        self._seen: dict[str, tuple[Path, Fingerprint]] = {}
        self._closed = threading.Event()
        for name, folder in find().items():
            self._load(name, folder, fingerprint(folder))

    def get(self, name: str, *, field: str = "prior") -> Prior:
        """The prior of this name.

        Raises:
            NotFound: there is none; names those there are.
            ApaError: why its folder could not be loaded.
        """
        found = self._found.get(name)
        if isinstance(found, ApaError):
            # A fresh copy: one shared instance would gather the traceback of every call.
            raise copy.copy(found).with_traceback(None)
        if found is None:
            raise NotFound(
                f"no prior is named {name!r}",
                field=field,
                expected=" or ".join(sorted(self.all())),
                found=name,
            )
        return found

    def all(self) -> Mapping[str, Prior]:
        return {name: found for name, found in self._found.items() if not isinstance(found, ApaError)}

    def folder_of(self, prior: Prior) -> Path | None:
        """Where a prior that is served was loaded from."""
        return next((self._loaded[name][0] for name, one in self.all().items() if one is prior), None)

    def refresh(self) -> None:
        """Loads each folder that is new or has changed, once two looks in a row have found it the same.

        So a version that is still being written is left alone. Call it from one thread only.
        """
        before, self._seen = self._seen, {}
        for name, folder in self._find().items():
            now = folder, fingerprint(folder)
            self._seen[name] = now
            if now != self._loaded.get(name) and now == before.get(name):
                self._load(name, *now)

    def watch(self, every_s: float = LOOK_EVERY_S) -> None:
        """Refreshes on a thread of its own until `close`."""
        threading.Thread(target=self._watch, args=(every_s,), name="priors", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _watch(self, every_s: float) -> None:
        while not self._closed.wait(every_s):
            try:
                self.refresh()
            except Exception:
                # A directory that cannot be read just now; what is loaded is served on.
                _log.exception("the prior folders could not be looked at")

    def _load(self, name: str, folder: Path, now: Fingerprint) -> None:
        # Noted first, and taken before the load: what changes during it is loaded again, what fails is not.
        self._loaded[name] = folder, now
        served = self._found.get(name)
        try:
            prior = load_prior(folder, device=self._device)
        except ApaError as error:
            if isinstance(served, Prior):
                _log.error("prior %s is served as it was, its new version is not: %s", name, error)
                return
            _log.error("prior %s is not served: %s", name, error)
            self._found = self._found | {name: error}
            return
        prior.card = prior.card.model_copy(update={"name": name})
        if served is not None:
            _log.info("prior %s is served as version %s", name, prior.content_hash)
        # Replaced, not changed: others read without a lock.
        self._found = self._found | {name: prior}


def fingerprint(folder: Path) -> Fingerprint:
    """What the folder's files look like from outside; empty for a folder that is not there."""
    files = []
    try:
        for path in sorted(folder.rglob("*")):
            stat = path.stat()
            name = str(path.relative_to(folder))
            files.append((name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    except FileNotFoundError:
        # It, or a file in it, is being replaced at this moment: another look will see what became of it.
        return ()
    return tuple(files)
