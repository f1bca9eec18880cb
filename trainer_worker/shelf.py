"""The priors that refits need, loaded when first asked for and again when their folder changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from apa.errors import NotFound
from apa.prior_folders import CONFIG_FILE, find_prior
from apa.priors import load_prior
from apa.priors.base import Prior
from trainer_worker.fit.transport import TRANSPORT_FILE, Transport

logger = logging.getLogger(__name__)


class Shelved(NamedTuple):
    """A prior, and how heads on its features look through noise, where that was learnt."""

    prior: Prior
    transport: Transport | None


class PriorShelf:
    """Priors by name. Safe to use from several threads."""

    def __init__(self, directories: Sequence[Path] = ()) -> None:
        self._directories = directories
        self._lock = threading.Lock()
        self._loaded: dict[Path, tuple[bytes, Shelved]] = {}

    def get(self, name: str) -> Shelved:
        """The prior of this name as its folder is now.

        Raises:
            NotFound: there is none.
            DataLoss: its folder is damaged.
        """
        folder = find_prior(name, self._directories)
        # The config names the hash of the weights, so that reading it is enough to see a new prior.
        config = _read(folder / CONFIG_FILE)
        with self._lock:
            found = self._loaded.get(folder)
            if found is None or found[0] != config:
                found = config, _load(folder)
                self._loaded[folder] = found
        return found[1]


def _load(folder: Path) -> Shelved:
    prior = load_prior(folder)
    path = folder / TRANSPORT_FILE
    if not path.is_file():
        return Shelved(prior, None)
    transport = Transport.of_bytes(path.read_bytes(), prior)
    if transport is None:
        logger.warning("%s of prior %s is of other weights or levels; fitted without", path.name, folder.name)
    return Shelved(prior, transport)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(
            "a file of the prior is missing", field="prior", expected=path.name, found=path.parent.name
        ) from None
