"""Requests that arrive as they like (Poisson), by the engine and one at a time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import numpy as np

from apa.priors import Prior
from apa.surrogates import LinearSurrogate
from benchmarks.engine.users import Watched, config, engine, prior, submit, users
from benchmarks.report import Row, Scale, row
from sampler_service import sample
from sampler_service.potential import SurrogatePotential

LOAD = 0.7


@dataclass(frozen=True)
class Request:
    surrogate: LinearSurrogate
    num_particles: int
    num_steps: int


Submit = Callable[[Request], Watched]
System = Callable[[Prior], AbstractContextManager[Submit]]


def measure(scale: Scale) -> list[Row]:
    films, fashion = prior("films"), prior("fashion")
    generator = np.random.default_rng(0)
    throughput, latency = [], []
    many = _requests(users(films, scale.pick(64, 5)), generator, 8, 32, 100)
    for repeat in range(scale.pick(3, 1)):
        gain, capacity = _throughput(films, many, swapped=bool(repeat % 2))
        throughput.append(gain)
        gaps = generator.exponential(1.0 / (LOAD * capacity), len(many))
        alone, together = (_mean_latency(films, system, many, gaps) for system in (_one_at_a_time, _engine))
        latency.append(together / alone)
    few = _requests(users(fashion, scale.pick(4, 1)), generator, 8, 32, 30)
    images = [_throughput(fashion, few, swapped=bool(repeat % 2))[0] for repeat in range(scale.pick(3, 1))]
    return [
        row("films, requests per second at saturation, against one at a time", throughput, 3.0),
        row("films, mean latency at 70% load, against one at a time", latency, 0.5, "most"),
        row(
            "fashion, requests per second at saturation, against one at a time", images, note="25 to 30 steps"
        ),
    ]


def _requests(
    surrogates: list[LinearSurrogate], generator: np.random.Generator, least: int, most: int, steps: int
) -> list[Request]:
    return [
        Request(s, int(generator.integers(least, most + 1)), int(generator.integers(25, steps + 1)))
        for s in surrogates
    ]


@contextmanager
def _engine(of: Prior) -> Iterator[Submit]:
    with engine() as thread:
        yield lambda r: submit(thread, of, SurrogatePotential(r.surrogate), r.num_particles, r.num_steps)


@contextmanager
def _one_at_a_time(of: Prior) -> Iterator[Submit]:
    waiting: queue.Queue[tuple[Request, Watched] | None] = queue.Queue()

    def work() -> None:
        while (item := waiting.get()) is not None:
            request, watched = item
            sample(of, request.surrogate, config(request.num_steps), num_particles=request.num_particles)
            watched.ended_s = time.perf_counter()
            watched.done.set()

    def accept(request: Request) -> Watched:
        watched = Watched()
        waiting.put((request, watched))
        return watched

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        yield accept
    finally:
        waiting.put(None)
        worker.join()


def _throughput(of: Prior, requests: list[Request], swapped: bool) -> tuple[float, float]:
    """The gain, and how many requests a second are served one at a time."""
    systems: list[System] = [_engine, _one_at_a_time]
    taken = {}
    for system in reversed(systems) if swapped else systems:
        with system(of) as accept:
            began = time.perf_counter()
            for watched in [accept(request) for request in requests]:
                watched.wait()
            taken[system] = time.perf_counter() - began
    return taken[_one_at_a_time] / taken[_engine], len(requests) / taken[_one_at_a_time]


def _mean_latency(of: Prior, system: System, requests: list[Request], gaps: np.ndarray) -> float:
    with system(of) as accept:
        watched, due = [], time.perf_counter()
        for request, gap in zip(requests, gaps, strict=True):
            due += gap
            time.sleep(max(0.0, due - time.perf_counter()))
            watched.append(accept(request))
        return float(np.mean([one.wait() for one in watched]))
