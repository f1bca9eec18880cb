"""Over gRPC, one process each side, against the same events in-process. Unsteered runs: no Redis."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from apa.client import AsyncClient
from apa.metrics import SamplerMetrics
from apa.prior_folders import list_priors
from apa.records.run_events import ParticleChunk, RunEvent
from apa.records.sampling import SamplingOverrides
from apa.rpc.ready import read_ready
from apa.store.catalogues import CatalogueStore
from apa.store.connection import connect
from apa.store.due import DueStore
from apa.store.sessions import SessionStore
from apa.store.slates import SlateStore
from apa.store.surrogates import SurrogateStore
from benchmarks.engine.users import engine
from benchmarks.report import Row, Scale, row
from sampler_service.calls import SampleCall
from sampler_service.catalogue_features import CatalogueFeatures
from sampler_service.config import SamplerSettings
from sampler_service.live_catalogues import LiveCatalogues
from sampler_service.measuring import Measuring
from sampler_service.prepared_runs import PreparedRuns
from sampler_service.preparing import Preparing, Stores
from sampler_service.prior_registry import PriorRegistry
from sampler_service.routing import Routing
from sampler_service.sampling_stream import SamplingStream
from sampler_service.showing_on_device import OnDevice
from sampler_service.stored_pools import StoredPools
from sampler_service.surrogate_cache import SurrogateCache

CALLERS, NUM_PARTICLES, NUM_STEPS = 8, 32, 25
NO_REDIS = "redis://127.0.0.1:1/0"

Stream = Callable[[], AsyncIterator[RunEvent]]


def measure(scale: Scale) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder), scale) as address:
        return asyncio.run(_measure(address, scale))


async def _measure(address: str, scale: Scale) -> list[Row]:
    with engine() as thread, ThreadPoolExecutor(16) as store:
        measuring = Measuring(SamplerMetrics.create(CollectorRegistry()))
        settings = SamplerSettings(redis_url=NO_REDIS)
        client = connect(NO_REDIS)
        stores = Stores(SessionStore(client), SlateStore(client), SurrogateStore(client), DueStore(client))
        cache = SurrogateCache(stores.surrogates.blob, 0)
        priors = PriorRegistry(list_priors)
        catalogues = LiveCatalogues(CatalogueStore(client), priors.all)
        preparing = Preparing(stores, priors, catalogues, cache, settings)
        on_device = OnDevice(thread)
        pools = StoredPools(on_device, settings.pool_size, settings.sampling(), priors.all)
        routing = Routing(pools, on_device, CatalogueFeatures(on_device))
        ahead = PreparedRuns(preparing, routing, thread, store, measuring.prepared_ended)
        own = SamplingStream(preparing, routing, thread, store, measuring, ahead)

        def in_process() -> AsyncIterator[RunEvent]:
            return own.events(_call(), None)

        async with AsyncClient(sampler=address, feedback="127.0.0.1:1") as apa:

            def served() -> AsyncIterator[RunEvent]:
                return apa.sample_stream(
                    prior="films", num_particles=NUM_PARTICLES, sampling=_options().model_dump()
                )

            speeds, added, empty = [], [], []
            await _batch(served), await _batch(in_process)
            for repeat in range(scale.pick(7, 2)):
                first, second = (served, in_process) if repeat % 2 else (in_process, served)
                taken = {first: await _batch(first), second: await _batch(second)}
                speeds.append(taken[in_process] / taken[served])
            for repeat in range(scale.pick(30, 6)):
                first, second = (served, in_process) if repeat % 2 else (in_process, served)
                taken = {first: await _first_message(first), second: await _first_message(second)}
                added.append(1e3 * (taken[served] - taken[in_process]))
                # The server has rested for as long as before a run that is served.
                await _first_message(in_process)
                empty.append(1e3 * await _empty_call(apa))
    return [
        row("served over gRPC against in-process, particles per second", speeds, 0.9, note="8 callers"),
        row("milliseconds that gRPC adds to the first message", added, 1.0, "most"),
        row("milliseconds of a call over gRPC that does nothing", empty, note="ListPriors"),
    ]


async def _batch(stream: Stream) -> float:
    """Seconds of all callers' runs at once."""

    async def one() -> int:
        return sum([len(event.x) async for event in stream() if isinstance(event, ParticleChunk)])

    began = time.perf_counter()
    received = await asyncio.gather(*(one() for _ in range(CALLERS)))
    assert received == [NUM_PARTICLES] * CALLERS
    return time.perf_counter() - began


async def _first_message(stream: Stream) -> float:
    began = time.perf_counter()
    events = aiter(stream())
    await anext(events)
    taken = time.perf_counter() - began
    async for _ in events:
        pass
    return taken


async def _empty_call(apa: AsyncClient) -> float:
    began = time.perf_counter()
    await apa.list_priors()
    return time.perf_counter() - began


def _options() -> SamplingOverrides:
    return SamplingOverrides(num_steps=NUM_STEPS, seed=1)


def _call() -> SampleCall:
    return SampleCall("", "", "films", NUM_PARTICLES, _options(), True, 0, "default")


@contextmanager
def _server(folder: Path, scale: Scale) -> Iterator[str]:
    ready_file = folder / "ready.json"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("APA_")}
    own = {
        "REDIS_URL": NO_REDIS,
        "APA_SAMPLER_READY_FILE": str(ready_file),
        "APA_SAMPLER_TORCH_THREADS": str(scale.threads),
        "APA_SAMPLER_LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen([sys.executable, "-m", "sampler_service"], env=inherited | own)
    try:
        deadline = time.monotonic() + 60
        while not ready_file.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        ready = read_ready(ready_file)
        assert ready is not None, f"the sampler ended with {process.returncode}"
        yield f"127.0.0.1:{ready.port}"
    finally:
        process.terminate()
        process.wait(30)
