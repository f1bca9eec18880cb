"""`UpsertItems` and `DeleteItems`: what a catalogue is to hold, written to the store. Blocking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apa.errors import InvalidArgument
from apa.priors.catalogue import Catalogue
from apa.records.catalogue import CatalogueChange, Entries
from apa.store.catalogues import CatalogueStore
from apa.wire.catalogue import check_count, check_different, checked_id
from sampler_service.live_catalogues import LiveCatalogues
from sampler_service.prior_registry import PriorRegistry


@dataclass(frozen=True)
class Stock:
    """Writes changes; this process sees them as every other does, by following the store."""

    store: CatalogueStore
    priors: PriorRegistry
    catalogues: LiveCatalogues

    def upsert(self, prior: str, read: Callable[[int], Entries]) -> CatalogueChange:
        """Adds or replaces all of some items, or none.

        Args:
            read: gives them, once D of the prior is known.

        Raises:
            InvalidArgument: the prior has no catalogue, or what `read` raises.
            NotFound: no such prior.
            Unavailable: the store is away, or full.
        """
        change = self.store.upsert(prior, read(self._folder(prior).num_dims))
        self.catalogues.wake()
        return change

    def delete(self, prior: str, item_ids: Sequence[str]) -> CatalogueChange:
        """Takes items out; those that are not there change nothing.

        Raises:
            InvalidArgument: the prior has no catalogue; no items or too many; an id is none, or twice there.
            NotFound: no such prior.
            Unavailable: the store is away.
        """
        folder = self._folder(prior)
        check_count(len(item_ids), "item_ids")
        for place, item_id in enumerate(item_ids):
            checked_id(item_id, f"item_ids.{place}")
        check_different(item_ids, "item_ids.{}")
        change = self.store.delete(prior, item_ids, [item_id in folder.positions for item_id in item_ids])
        self.catalogues.wake()
        return change

    def _folder(self, name: str) -> Catalogue:
        catalogue = self.priors.get(name).catalogue
        if catalogue is None:
            raise InvalidArgument(
                "the prior has no catalogue",
                field="prior",
                expected="a prior that shows the items of a catalogue",
                found=name,
            )
        return catalogue
