"""Events between the engine's thread and a caller that may be slow: all of them, but not every preview."""

from __future__ import annotations

import asyncio
import threading

import pytest
import torch

from apa.errors import Cancelled
from apa.records.sampling import SamplingConfig
from sampler_service.engine import Progress
from sampler_service.preview import Preview
from sampler_service.service_loop import Admitted, Failed, RunEvent
from sampler_service.unread import UnreadEvents

PREVIEW = Preview(torch.arange(2), torch.zeros(2, 3), torch.zeros(2, dtype=torch.float64))


def progress(step: int, preview: Preview | None = PREVIEW) -> Progress:
    return Progress(step, 100, 1.0, None, 0, False, preview)


async def read(events: UnreadEvents, count: int) -> list[tuple[int, bool]]:
    """Of so many Progress events, each one's step and whether its preview is there."""
    found = [await events.get() for _ in range(count)]
    return [(event.step, event.preview is not None) for event in found if isinstance(event, Progress)]


def test_previews_over_the_limit_are_left_out_and_come_again_once_the_reader_has_caught_up() -> None:
    async def scenario() -> None:
        events = UnreadEvents(max_preview_bytes=2 * PREVIEW.num_bytes)
        for step in range(4):
            events.put(progress(step))
        assert await read(events, 3) == [(0, True), (1, True), (2, False)]
        events.put(progress(4))
        events.put(progress(5))
        assert await read(events, 3) == [(3, False), (4, True), (5, True)]

    asyncio.run(scenario())


def test_one_preview_is_kept_however_large() -> None:
    async def scenario() -> None:
        events = UnreadEvents(max_preview_bytes=1)
        for step in range(2):
            events.put(progress(step))
        assert await read(events, 2) == [(0, True), (1, False)]
        events.put(progress(2))
        assert await read(events, 1) == [(2, True)]

    asyncio.run(scenario())


def test_events_of_other_kinds_keep_their_order_and_take_no_room() -> None:
    async def scenario() -> None:
        events = UnreadEvents(max_preview_bytes=PREVIEW.num_bytes)
        failed = Failed(Cancelled("x"))
        sent: list[RunEvent] = [Admitted(SamplingConfig(), 0.0), progress(1, None), progress(2), failed]

        def put_all() -> None:
            for event in sent:
                events.put(event)

        thread = threading.Thread(target=put_all)
        thread.start()
        assert [await events.get() for _ in sent] == sent
        thread.join()

    asyncio.run(scenario())


def test_once_the_loop_has_closed_whoever_puts_is_told() -> None:
    async def made() -> UnreadEvents:
        return UnreadEvents(max_preview_bytes=1)

    events = asyncio.run(made())
    with pytest.raises(Cancelled):
        events.put(progress(0))
