"""From an answer's acceptance to the version that has learnt from it: real services, 200 people at once."""

from __future__ import annotations

import asyncio
import random
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from apa import keys
from apa.client import AsyncClient
from apa.records.feedback import Feedback
from apa.rpc.ready import Ready
from apa.store.connection import Client, connect
from apa.store.due import DueStore
from apa.store.ledger import FeedbackLedger
from apa.store.surrogates import SurrogateStore
from benchmarks.refit import people
from benchmarks.refit.processes import Part, redis_in, running, worker
from benchmarks.report import Row, Scale, row

WORKERS = 2
PAUSE_S = 2.5
"""Mean time between two answers of one person, exponentially distributed."""
DEADLINE_S = 120.0


def measure(scale: Scale) -> list[Row]:
    people_at_once, answers = scale.pick(200, 20), scale.pick(24, 6)
    with tempfile.TemporaryDirectory() as name, redis_in(Path(name)) as url:
        folder, client = Path(name), connect(url)
        given = people.create(client, people_at_once, answers)
        service = Part("feedback_service", folder, {"REDIS_URL": url})
        with running([service, *(worker(folder, url) for _ in range(WORKERS))]) as (feedback, *workers):
            with _published(client) as published:
                taken_s = asyncio.run(_answer(feedback, given))
                _wait_until_learnt(client)
            refits, refit_s, batches = _measured(workers)
        late_s = _latencies(client, published, [one[0].session_id for one in given])
    assert len(late_s) == people_at_once * answers
    p50, p99 = (float(np.quantile(late_s, q)) for q in (0.5, 0.99))
    note = f"{people_at_once} people, {len(late_s) / taken_s:.0f} answers a second, {WORKERS} workers"
    return [
        row(
            "answer to new version less the mean refit, 99th percentile, s",
            [p99 - refit_s],
            1.0,
            "most",
            note,
        ),
        row("answer to new version, 99th percentile, s", [p99]),
        row("the same, median", [p50]),
        row("a refit, mean, s", [refit_s]),
        row("sessions in a batch, mean", [refits / batches]),
        row("answers in a refit, mean", [len(late_s) / refits]),
    ]


async def _answer(feedback: Ready, given: list[list[Feedback]]) -> float:
    """Everybody answers one item after the other, in their own time; seconds that it took."""
    async with AsyncClient(sampler="127.0.0.1:1", feedback=f"127.0.0.1:{feedback.port}") as apa:

        async def one(answers: list[Feedback], pauses: random.Random) -> None:
            for answer in answers:
                await asyncio.sleep(pauses.expovariate(1.0 / PAUSE_S))
                await apa.record_feedback(answer.session_id, [answer])

        began = time.perf_counter()
        await asyncio.gather(*(one(answers, random.Random(seed)) for seed, answers in enumerate(given)))
        return time.perf_counter() - began


Published = dict[str, list[tuple[float, int]]]
"""Of each session: when a version was heard of, Unix seconds, and how many answers it knows."""


@contextmanager
def _published(client: Client) -> Iterator[Published]:
    """What is published meanwhile, heard as any sampler could."""
    found: Published = defaultdict(list)
    surrogates, ended = SurrogateStore(client), threading.Event()
    listener = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe(keys.PUBLISHED_CHANNEL)

    def listen() -> None:
        while not ended.is_set():
            message = listener.get_message(timeout=0.1)
            if message:
                session_id = message["data"].decode()
                current = surrogates.current(session_id)
                assert current is not None
                found[session_id].append((time.time(), current.trained_events))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield found
    finally:
        time.sleep(0.5)
        ended.set()
        thread.join()
        listener.close()


def _latencies(client: Client, published: Published, names: list[str]) -> list[float]:
    """Seconds of each answer from its acceptance by the store to the first version that knows it."""
    ledger = FeedbackLedger(client)
    return [
        min(at for at, trained in published[name] if trained >= sequence) - event.recorded_at
        for name in names
        for sequence, event in enumerate(ledger.log(name), 1)
    ]


def _measured(workers: list[Ready]) -> tuple[float, float, float]:
    """Refits published, seconds of one on average, and batches."""
    total: dict[str, float] = defaultdict(float)
    for ready in workers:
        with urllib.request.urlopen(f"http://127.0.0.1:{ready.metrics_port}/metrics", timeout=10) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    total[sample.name] += sample.value
    refits = total["apa_refit_duration_seconds_count"]
    return refits, total["apa_refit_duration_seconds_sum"] / refits, total["apa_refit_batch_sessions_count"]


def _wait_until_learnt(client: Client) -> None:
    due, deadline = DueStore(client), time.monotonic() + DEADLINE_S
    while due.count() and time.monotonic() < deadline:
        time.sleep(0.1)
