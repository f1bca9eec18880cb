"""Stored draws of the priors that are served: read from a file, or drawn once a route first asks for them."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from apa.errors import ApaError, Cancelled, ResourceExhausted
from apa.priors.base import Prior
from apa.records.sampling import SamplingConfig
from sampler_service.background import Background
from sampler_service.grids import start_time
from sampler_service.routes.stored_pool import StoredPool, seed_of
from sampler_service.service_loop import Failed, Finished, OnEvent, RunEvent, RunHandle, RunRequest
from sampler_service.showing_on_device import OnDevice
from sampler_service.stored_files import FILE, StoredFile, in_half_precision, read_stored, write_stored

_log = logging.getLogger(__name__)

TENANT = "(stored draws)"
SHARE = 0.1
"""Of the device, beside a tenant with 1."""
CHUNK = 256
"""Draws of one run: a part of a pool that is always the same, however large the pool."""


@dataclass(frozen=True, eq=False)
class Stored:
    """A whole pool, on the host.

    Attributes:
        pool_id: of the prior's content and of how it is drawn; with a row it names a draw.
        features: (M, F), float32, by log-SNR, of those levels that came with the draws.
    """

    draws: StoredPool
    pool_id: str
    features: Mapping[float, Tensor] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each draw is known by, in every process and after a restart."""
        return tuple(f"{self.pool_id}-{row}" for row in range(len(self.draws)))

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each draw by its name."""
        return {name: row for row, name in enumerate(self.names)}


@dataclass(frozen=True, eq=False)
class _Kept:
    stored: Background[Stored]
    features: dict[float, Background[Tensor]] = field(default_factory=dict)


class StoredPools:
    """One pool for each prior that is served, by its content hash; safe to use from several threads.

    A file in the prior's own folder comes first, then one in `keep_in`. Pools of priors that are served no
    longer go when another is begun; runs under way keep theirs.

    Args:
        size: of a pool that is drawn here; a file may have more or fewer.
        config: how runs of the service are computed, where nobody says otherwise.
        served: the priors as they are now, by name.
        folder_of: where a prior was loaded from; None where nobody knows.
        keep_in: a directory for pools that are drawn here; None to keep them in memory alone.
    """

    def __init__(
        self,
        on_device: OnDevice,
        size: int,
        config: SamplingConfig,
        served: Callable[[], Mapping[str, Prior]],
        folder_of: Callable[[Prior], Path | None] = lambda _: None,
        keep_in: Path | None = None,
    ) -> None:
        self._on_device = on_device
        self._size = size
        self._config = config
        self._served = served
        self._folder_of = folder_of
        self._keep_in = keep_in
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._under_way: set[RunHandle] = set()
        self._closed = False

    def get(self, prior: Prior) -> Stored | None:
        """The prior's pool; None while it is being drawn, which begins when it is first asked for."""
        return self._of(prior).stored.get()

    def features(self, stored: Stored, prior: Prior, level: float) -> Tensor | None:
        """(M, F), float32: the clean features of its draws at a log-SNR; None while they are computed."""
        kept = self._of(prior)
        with self._lock:
            wanted = kept.features.get(level)
            if wanted is None:
                wanted = Background(
                    lambda: self._features(stored, prior, level),
                    f"features of pool {stored.pool_id}",
                    stored.features.get(level),
                )
                kept.features[level] = wanted
        return wanted.get()

    def close(self) -> None:
        """Nothing more is drawn: an engine that stops does not wait for what nobody will see."""
        with self._lock:
            self._closed = True
            under_way = list(self._under_way)
        for handle in under_way:
            handle.cancel()

    def _of(self, prior: Prior) -> _Kept:
        with self._lock:
            kept = self._kept.get(prior.content_hash)
            if kept is None:
                served = {one.content_hash for one in self._served().values()}
                self._kept = {key: kept for key, kept in self._kept.items() if key in served}
                what = f"pool of {prior.card.name}"
                kept = _Kept(Background(lambda: self._drawn(prior), what, self._on_disk(prior)))
                self._kept[prior.content_hash] = kept
            return kept

    def _on_disk(self, prior: Prior) -> Stored | None:
        """What a file holds; one that cannot be used is left alone, and said."""
        folder = self._folder_of(prior)
        in_folder, wanted = (
            None if folder is None else folder / FILE,
            pool_id_of(prior, self._of_draws(prior)),
        )
        for path in (in_folder, self._kept_at(wanted)):
            if path is None:
                continue
            try:
                found = read_stored(path, prior)
            except ApaError as error:
                _log.warning("%s", error)
                continue
            if found is not None:
                if found.pool_id != wanted:
                    _log.warning("the stored draws of %s are of other steps than runs here", prior.card.name)
                _log.info("%d stored draws of %s are read from %s", len(found.draws), prior.card.name, path)
                return Stored(found.draws, found.pool_id, found.features)
        return None

    def _kept_at(self, pool_id: str) -> Path | None:
        return None if self._keep_in is None else self._keep_in / f"{pool_id}-{self._size}.safetensors"

    def _of_draws(self, prior: Prior) -> SamplingConfig:
        begin = start_time(prior.schedule, self._config.t_start)
        return self._config.model_copy(update={"t_start": begin, "corrector": "none"})

    def _drawn(self, prior: Prior) -> Stored:
        config = self._of_draws(prior)
        num_chunks = -(-self._size // CHUNK)
        x = torch.cat([self._chunk(prior, config, number) for number in range(num_chunks)])
        draws = StoredPool(in_half_precision(x[: self._size]), prior.content_hash)
        stored = Stored(draws, pool_id_of(prior, config))
        self._keep(stored)
        return stored

    def _keep(self, stored: Stored, features: Mapping[float, Tensor] | None = None) -> None:
        """On disk, where it is wanted there; a disk that takes nothing costs the next start, not this one."""
        path = self._kept_at(stored.pool_id)
        if path is None:
            return
        try:
            write_stored(path, StoredFile(stored.draws, stored.pool_id, features or {}))
        except OSError as error:
            _log.warning("pool %s could not be kept in %s: %s", stored.pool_id, path, error)

    def _chunk(self, prior: Prior, config: SamplingConfig, number: int) -> Tensor:
        """(CHUNK, *data_shape), by an ordinary run of the engine, whose turn it waits for."""
        seeded = config.model_copy(update={"seed": seed_of(prior.content_hash, number)})
        request = RunRequest(uuid.uuid4().hex, prior, None, seeded, CHUNK, tenant=TENANT)
        events: queue.SimpleQueue[RunEvent] = queue.SimpleQueue()
        handle = self._submitted(request, events.put)
        try:
            while not isinstance(event := events.get(), Finished):
                if isinstance(event, Failed):
                    raise event.error
        finally:
            with self._lock:
                self._under_way.discard(handle)
        return self._on_device.on_host(event.population).x

    def _submitted(self, request: RunRequest, on_event: OnEvent) -> RunHandle:
        """Once there is room for it to wait."""
        while True:
            with self._lock:
                self._check_open()
                try:
                    handle = self._on_device.engine.submit(request, on_event)
                except ResourceExhausted as full:
                    busy = full
                else:
                    self._under_way.add(handle)
                    return handle
            time.sleep(busy.retry_after_s or 1.0)

    def _features(self, stored: Stored, prior: Prior, level: float) -> Tensor:
        parts = []
        for x in torch.split(stored.draws.x, CHUNK):
            self._check_open()
            parts.append(self._on_device.features(prior, level, x))
        features = in_half_precision(torch.cat(parts))
        if not stored.features:
            self._keep(stored, {level: features})
        return features

    def _check_open(self) -> None:
        if self._closed:
            raise Cancelled("the stored draws are no longer wanted")


def pool_id_of(prior: Prior, config: SamplingConfig) -> str:
    """What names the draws of a prior that are made so; not how many they are."""
    drawn = f"{prior.content_hash} {config.model_dump_json(exclude={'seed', 'beta', 'route'})}"
    return "pool-" + hashlib.sha256(drawn.encode()).hexdigest()[:12]
