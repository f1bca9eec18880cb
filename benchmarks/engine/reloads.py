"""Ten thousand hot reloads: what a request costs afterwards, and what memory they leave behind."""

from __future__ import annotations

import gc
import os
from dataclasses import replace
from pathlib import Path

from apa.surrogates import version_of
from benchmarks.engine.users import engine, prior, submit, users
from benchmarks.report import Row, Scale, ratios, row
from sampler_service.potential import SurrogatePotential
from sampler_service.surrogate_cache import SurrogateCache

CACHE_BYTES = 4 * 1024 * 1024


def measure(scale: Scale) -> list[Row]:
    films = prior("films")
    (surrogate,) = users(films, 1)
    blobs: dict[str, bytes] = {}

    def publish(number: int) -> str:
        blob = replace(surrogate, reward_mean=float(number)).to_bytes()
        version = version_of(blob)
        blobs.clear()
        blobs[version] = blob
        return version

    def cache() -> SurrogateCache:
        return SurrogateCache(lambda _session, version: blobs[version], CACHE_BYTES)

    worn, fresh = cache(), cache()
    numbers = iter(range(10**9))
    reloads = scale.pick(10_000, 500)
    with engine() as thread:

        def request(through: SurrogateCache) -> None:
            loaded = through.get("session", publish(next(numbers)))
            submit(thread, films, SurrogatePotential(loaded), 8, 5).wait()

        request(worn)
        for _ in range(reloads // 5):
            worn.get("session", publish(next(numbers)))
        before = _resident_bytes()
        for _ in range(reloads - reloads // 5):
            worn.get("session", publish(next(numbers)))
        grown = _resident_bytes() / before
        found = ratios(lambda: request(worn), lambda: request(fresh), scale.pick(31, 5), times=3)
    note = f"{reloads} reloads"
    return [
        row("cost of a request after reloads, against none", found, 1.05, "most", note),
        row("resident memory at the end, against after a fifth of them", [grown], 1.02, "most", note),
    ]


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
