"""The priors that this server has loaded, by name."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from pathlib import Path

from apa.errors import ApaError, NotFound
from apa.priors.base import Prior
from apa.priors.folder import load_prior

_log = logging.getLogger(__name__)


class PriorRegistry:
    """Loads every folder at once; a damaged one answers with its own error and leaves the others alone.

    Args:
        folders: by the name that requests use, which is the folder's and wins over the card's.
    """

    def __init__(self, folders: Mapping[str, Path], device: str = "cpu") -> None:
        self._priors: dict[str, Prior] = {}
        self._damaged: dict[str, ApaError] = {}
        for name, folder in folders.items():
            self._load(name, folder, device)

    def _load(self, name: str, folder: Path, device: str) -> None:
        try:
            prior = load_prior(folder, device=device)
        except ApaError as error:
            _log.error("prior %s is not served: %s", name, error)
            self._damaged[name] = error
            return
        prior.card = prior.card.model_copy(update={"name": name})
        self._priors[name] = prior

    def get(self, name: str, *, field: str = "prior") -> Prior:
        """The prior of this name.

        Raises:
            NotFound: there is none; names those there are.
            ApaError: why its folder could not be loaded.
        """
        if name in self._damaged:
            # A fresh copy: one shared instance would gather the traceback of every call.
            raise copy.copy(self._damaged[name]).with_traceback(None)
        if name not in self._priors:
            raise NotFound(
                f"no prior is named {name!r}",
                field=field,
                expected=" or ".join(sorted(self._priors)),
                found=name,
            )
        return self._priors[name]

    def all(self) -> Mapping[str, Prior]:
        return dict(self._priors)
