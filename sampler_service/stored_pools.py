"""Stored draws of the priors that are served: drawn in the background, once a route first asks for them."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from apa.errors import Cancelled, ResourceExhausted
from apa.priors.base import Prior
from apa.records.sampling import SamplingConfig
from sampler_service.background import Background
from sampler_service.grids import start_time
from sampler_service.routes.stored_pool import StoredPool, seed_of
from sampler_service.service_loop import Failed, Finished, OnEvent, RunEvent, RunHandle, RunRequest
from sampler_service.showing_on_device import OnDevice

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
    """

    draws: StoredPool
    pool_id: str

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

    Pools of priors that are served no longer go when another is begun; runs under way keep theirs.

    Args:
        size: draws of a pool.
        config: how runs of the service are computed, where nobody says otherwise.
        served: the priors as they are now, by name.
    """

    def __init__(
        self,
        on_device: OnDevice,
        size: int,
        config: SamplingConfig,
        served: Callable[[], Mapping[str, Prior]],
    ) -> None:
        self._on_device = on_device
        self._size = size
        self._config = config
        self._served = served
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
                    lambda: self._features(stored, prior, level), f"features of pool {stored.pool_id}"
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
                kept = _Kept(Background(lambda: self._drawn(prior), f"pool of {prior.card.name}"))
                self._kept[prior.content_hash] = kept
            return kept

    def _drawn(self, prior: Prior) -> Stored:
        begin = start_time(prior.schedule, self._config.t_start)
        config = self._config.model_copy(update={"t_start": begin, "corrector": "none"})
        num_chunks = -(-self._size // CHUNK)
        x = torch.cat([self._chunk(prior, config, number) for number in range(num_chunks)])
        return Stored(StoredPool(x[: self._size], prior.content_hash), _pool_id(prior, config))

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
        return torch.cat(parts)

    def _check_open(self) -> None:
        if self._closed:
            raise Cancelled("the stored draws are no longer wanted")


def _pool_id(prior: Prior, config: SamplingConfig) -> str:
    drawn = f"{prior.content_hash} {config.model_dump_json(exclude={'seed', 'beta', 'route'})}"
    return "pool-" + hashlib.sha256(drawn.encode()).hexdigest()[:12]
