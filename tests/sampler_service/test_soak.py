"""Two thousand short runs that end in every way there is: nothing of them is left behind."""

from __future__ import annotations

import gc
import os
import random
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from torch import Tensor

from apa.errors import Cancelled, DeadlineExceeded, InvalidArgument
from apa.records.sampling import SamplingConfig
from sampler_service.observer import EndReason, EngineObserver
from sampler_service.potential import RewardPotential
from sampler_service.scheduler import Limits
from sampler_service.service_loop import EngineThread, Failed, Finished, RunEvent, RunHandle, RunRequest
from tests.sampler_service.problems import MILD, three_modes
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

PRIOR = three_modes()
WAVE, WAVES = 100, 20
WAYS = ("finish", "finish", "finish", "cancel", "deadline", "error")


class Ends(EngineObserver):
    def __init__(self) -> None:
        self.reasons: Counter[EndReason] = Counter()

    def on_finish(self, reason: EndReason) -> None:
        self.reasons[reason] += 1


def _raises(x: Tensor) -> Tensor:
    raise ValueError("out of stock")


def _submit(engine: EngineThread, run_id: str, way: str, choose: random.Random, ends: list[RunEvent]) -> None:
    soon = time.monotonic() + choose.uniform(1e-5, 0.02)
    request = RunRequest(
        run_id=run_id,
        prior=PRIOR,
        potential=RewardPotential(_raises if way == "error" else MILD),
        config=SamplingConfig(num_steps=1000 if way == "cancel" else choose.randint(2, 4), seed=1),
        num_particles=choose.randint(2, 16),
        tenant=choose.choice("abc"),
        deadline_s=soon if way == "deadline" else None,
    )
    handles: list[RunHandle] = []

    def listen(event: RunEvent) -> None:
        if isinstance(event, (Finished, Failed)):
            ends.append(event)

    try:
        handles.append(engine.submit(request, listen))
    except DeadlineExceeded as error:
        ends.append(Failed(error))
        return
    if way == "cancel":
        handles[0].cancel()


def _kind(event: RunEvent) -> str:
    assert isinstance(event, (Finished, Failed))
    return "finish" if isinstance(event, Finished) else type(event.error).__name__


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_two_thousand_mixed_runs_leave_empty_queues_and_flat_memory() -> None:
    observer, choose = Ends(), random.Random(0)
    engine = EngineThread(Limits(max_particles=300, max_waiting=WAVE), observer=observer)
    engine.start()
    kinds: Counter[str] = Counter()
    resident: list[int] = []
    try:
        for wave in range(WAVES):
            ends: list[RunEvent] = []
            for i in range(WAVE):
                _submit(engine, f"{wave}-{i}", choose.choice(WAYS), choose, ends)
            wait_until(lambda ends=ends: len(ends) == WAVE, deadline_s=60, what="the wave's end")  # type: ignore[misc]
            kinds.update(map(_kind, ends))
            assert (engine.num_running, engine.num_waiting) == (0, 0)
            if wave % (WAVES // 4) == WAVES // 4 - 1:
                resident.append(_resident_bytes())
        assert engine.is_alive
    finally:
        engine.stop(grace_s=0.0)

    assert sum(kinds.values()) == WAVE * WAVES
    for kind in ("finish", Cancelled.__name__, InvalidArgument.__name__, DeadlineExceeded.__name__):
        assert kinds[kind] >= 50, kinds
    assert observer.reasons["cancelled"] == kinds[Cancelled.__name__]
    assert observer.reasons["failed"] == kinds[InvalidArgument.__name__]
    # A leak grows in each quarter alike; the allocator's own hoard, after many other tests, by jumps.
    grown = [after - before for before, after in pairwise(resident)]
    assert len(grown) == 3
    assert min(grown) < 5 * 1024 * 1024, grown
