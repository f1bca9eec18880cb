"""One tenant at ten times its share: what another one's requests take beside it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from apa.priors import Prior
from apa.surrogates import LinearSurrogate
from benchmarks.engine.users import engine, prior, submit, users
from benchmarks.report import Row, Scale, row
from sampler_service.potential import SurrogatePotential
from sampler_service.scheduler import Limits
from sampler_service.service_loop import EngineThread

NUM_PARTICLES, NUM_STEPS = 16, 10
SHARE = 4
"""Runs that fill half of the batch: with two tenants, the share of one."""
LIMITS = Limits(max_particles=256, max_batch_particles=2 * SHARE * NUM_PARTICLES, max_waiting=4096)


def measure(scale: Scale) -> list[Row]:
    """Both tenants keep so many runs under way: each its share, or one of them ten times as many."""
    films = prior("films")
    (surrogate,) = users(films, 1)
    requests = scale.pick(60, 16)
    found = []
    for _ in range(scale.pick(3, 1)):
        quiet = _p99(films, surrogate, SHARE, requests)
        loud = _p99(films, surrogate, 10 * SHARE, requests)
        found.append(loud / quiet)
    note = "each keeps half a batch under way, then one ten times that"
    return [row("99th percentile beside a tenant at ten times its share", found, 1.3, "most", note)]


def _p99(films: Prior, surrogate: LinearSurrogate, others: int, requests: int) -> float:
    potential, left = SurrogatePotential(surrogate), threading.Event()

    def one(thread: EngineThread, tenant: str) -> float:
        return submit(thread, films, potential, NUM_PARTICLES, NUM_STEPS, tenant).wait()

    def keep_busy(thread: EngineThread) -> None:
        while not left.is_set():
            one(thread, "busy")

    with engine(LIMITS) as thread, ThreadPoolExecutor(others + SHARE) as callers:
        busy = [callers.submit(keep_busy, thread) for _ in range(others)]
        try:
            taken = list(callers.map(lambda _: one(thread, "other"), range(requests)))
        finally:
            left.set()
        for future in busy:
            future.result()
    return float(np.percentile(taken[SHARE:], 99))
