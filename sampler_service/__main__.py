"""python -m sampler_service: serves until SIGTERM, configured by APA_SAMPLER_* and REDIS_URL."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import torch
from prometheus_client import REGISTRY

from apa.config import load_or_exit
from apa.metrics import SamplerMetrics
from apa.prior_folders import list_priors
from apa.rpc.server import serve
from apa.store.catalogues import CatalogueStore
from apa.store.connection import Client, connect
from apa.store.due import DueStore
from apa.store.publications import Publications
from apa.store.sessions import SessionStore
from apa.store.slates import SlateStore
from apa.store.surrogates import SurrogateStore
from sampler_service import prepared_runs, stored_pools
from sampler_service.catalogue_features import CatalogueFeatures
from sampler_service.config import SamplerSettings
from sampler_service.live_catalogues import LiveCatalogues
from sampler_service.measuring import Measuring
from sampler_service.preparing import Preparing, Stores
from sampler_service.prior_registry import PriorRegistry
from sampler_service.routing import Routing
from sampler_service.sampling_stream import SamplingStream
from sampler_service.scheduler import BATCHES_UNDER_WAY, Limits
from sampler_service.scheduler_batches import batch_elements
from sampler_service.scoring import Scoring
from sampler_service.service_loop import EngineThread
from sampler_service.servicer import SamplerServicer
from sampler_service.showing_on_device import OnDevice
from sampler_service.stock import Stock
from sampler_service.surrogate_cache import SurrogateCache

COLLECT_AFTER = 10_000
"""Objects more than there were; a request with a thousand items has several thousand."""


async def main(settings: SamplerSettings) -> None:
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    device = _device(settings)
    measuring = Measuring(SamplerMetrics.create(REGISTRY))
    priors = PriorRegistry(lambda: list_priors(settings.prior_folders), device)
    priors.watch()
    client = connect(settings.redis_url)
    catalogue_store = CatalogueStore(client)
    catalogues = LiveCatalogues(catalogue_store, priors.all)
    catalogues.watch()
    preparing = _preparing(settings, client, priors, catalogues, measuring, device)
    engine = EngineThread(
        _limits(settings, device),
        weights={stored_pools.TENANT: stored_pools.SHARE, prepared_runs.TENANT: prepared_runs.SHARE},
        device=device,
        observer=measuring,
        on_death=_end_process,
    )
    _spare_the_collector()
    engine.start()
    with ThreadPoolExecutor(settings.store_threads, thread_name_prefix="store") as threads:
        on_device = OnDevice(engine)
        pools = stored_pools.StoredPools(
            on_device,
            settings.pool_size,
            settings.sampling(),
            priors.all,
            priors.folder_of,
            settings.pool_dir,
        )
        routing = Routing(pools, on_device, CatalogueFeatures(on_device))
        prepared = prepared_runs.PreparedRuns(preparing, routing, engine, threads, measuring.prepared_ended)
        publications = Publications(client, prepared.published, prepared.sweep)
        if settings.prepare:
            publications.listen()
        stream = SamplingStream(preparing, routing, engine, threads, measuring, prepared)
        scoring = Scoring(preparing, stream.on_device)
        stock = Stock(catalogue_store, priors, catalogues)
        servicer = SamplerServicer(stream, scoring, stock, priors, measuring, threads)

        async def drain() -> None:
            priors.close()
            catalogues.close()
            pools.close()
            publications.close()
            prepared.close()
            await asyncio.to_thread(engine.stop, settings.grace_s)

        await serve("sampler", servicer.register, settings, on_drain=drain)
    if engine.died:
        raise SystemExit("sampler: its engine died; the log says why")


def _spare_the_collector() -> None:
    """What is loaded stays: a tick need not wait while it is looked through, nor so often for what is new."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 10, 10)


def _end_process() -> None:
    """Health says NOT_SERVING, calls end, and whoever supervises this process starts it again."""
    os.kill(os.getpid(), signal.SIGTERM)


def _limits(settings: SamplerSettings, device: str) -> Limits:
    return Limits(
        max_particles=max(settings.max_particles, BATCHES_UNDER_WAY * settings.max_batch_particles),
        max_batch_particles=settings.max_batch_particles,
        max_batch_elements=batch_elements(device),
        max_waiting=settings.max_waiting_runs,
    )


def _preparing(
    settings: SamplerSettings,
    client: Client,
    priors: PriorRegistry,
    catalogues: LiveCatalogues,
    measuring: Measuring,
    device: str,
) -> Preparing:
    stores = Stores(SessionStore(client), SlateStore(client), SurrogateStore(client), DueStore(client))
    cache = SurrogateCache(
        stores.surrogates.blob, settings.surrogate_cache_bytes, measuring.cache_queried, device
    )
    return Preparing(stores, priors, catalogues, cache, settings)


def _device(settings: SamplerSettings) -> str:
    """Resolves "auto" to the GPU when there is one."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    _settings = load_or_exit(SamplerSettings)
    logging.basicConfig(level=_settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(main(_settings))
