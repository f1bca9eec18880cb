"""The events of one run that its caller has not read yet."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from apa.errors import Cancelled
from sampler_service.engine import Progress
from sampler_service.service_loop import RunEvent


class UnreadEvents:
    """From the engine's thread to the call's loop, in order. Made on that loop.

    Previews stay where the engine made them until they are read. A caller that falls behind, or stops
    reading, must not fill the device with them, and the run must not wait for it: a preview that would be
    over the limit is left out of its Progress. One alone is always kept.

    Args:
        max_preview_bytes: of all previews that wait here.
    """

    def __init__(self, max_preview_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[RunEvent] = asyncio.Queue()
        self._max_preview_bytes = max_preview_bytes
        self._preview_bytes = 0

    def put(self, event: RunEvent) -> None:
        """From any thread, at once. Raises Cancelled when the loop has closed: nobody will read this."""
        try:
            self._loop.call_soon_threadsafe(self._keep, event)
        except RuntimeError as error:
            raise Cancelled("the server stopped listening") from error

    async def get(self) -> RunEvent:
        """The next event, once it is there."""
        event = await self._events.get()
        self._preview_bytes -= _preview_bytes(event)
        return event

    def _keep(self, event: RunEvent) -> None:
        waiting = self._preview_bytes
        if (
            isinstance(event, Progress)
            and waiting
            and waiting + _preview_bytes(event) > self._max_preview_bytes
        ):
            event = replace(event, preview=None)
        self._preview_bytes += _preview_bytes(event)
        self._events.put_nowait(event)


def _preview_bytes(event: RunEvent) -> int:
    return event.preview.num_bytes if isinstance(event, Progress) and event.preview is not None else 0
