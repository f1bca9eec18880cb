"""Keeps parts running: starts them in order, starts a crashed one again, ends them all in the opposite order.

One thread starts every child and lives as long as they do: Linux kills a child of ours when the thread that
started it ends (`apa.local.parent`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from apa.errors import ApaError, DeadlineExceeded, Unavailable
from apa.local.merged_log import MergedLog
from apa.local.parts import Part

TICK_S = 0.05
RESTART_DELAYS_S = (0.2, 1.0, 5.0)
"""A part that crashes once more within RESTART_WINDOW_S is given up, and the stack with it."""
RESTART_WINDOW_S = 120.0
NAME = "stack"


@dataclass
class Watched:
    """A part with what has happened to it."""

    part: Part
    ready: bool = False
    start_again_at: float | None = None
    crashes: list[float] = field(default_factory=list)


class Supervisor:
    """Runs groups of parts; a group is started once the one before is ready.

    Args:
        start_timeout_s: for each group to become ready.
        grace_s: for a group to end by itself before it is killed.
    """

    def __init__(
        self, groups: Sequence[Sequence[Part]], log: MergedLog, *, start_timeout_s: float, grace_s: float
    ) -> None:
        self.failure: ApaError | None = None
        self._groups = [[Watched(part) for part in group] for group in groups]
        self._log = log
        self._start_timeout_s = start_timeout_s
        self._grace_s = grace_s
        self._stop = threading.Event()
        self._started = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Returns once every part is ready.

        Raises:
            Unavailable: a part ended while it started; the error has its last lines.
            DeadlineExceeded: a part is not ready in time.
        """
        self._thread.start()
        self._started.wait()
        if self.failure is not None:
            self._thread.join()
            raise self.failure

    def stop(self) -> None:
        """Ends every part; safe to call again."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wait(self, timeout_s: float | None = None) -> None:
        """Until the parts have ended, or for `timeout_s`. Raises what made the supervisor give up."""
        self._ended.wait(timeout_s)
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            for group in self._groups:
                self._start_group(group)
            self._started.set()
            while not self._stop.wait(TICK_S):
                self._tick()
        except Exception as error:
            self.failure = error if isinstance(error, ApaError) else _cannot_start(error)
            self._log.line(NAME, f"gives up: {self.failure}")
        finally:
            for group in reversed(self._groups):
                self._end_group(group)
            self._ended.set()
            self._started.set()

    def _start_group(self, group: Sequence[Watched]) -> None:
        for one in group:
            one.part.start()
        deadline = time.monotonic() + self._start_timeout_s
        while not all(self._is_ready(one) for one in group):
            if self._stop.wait(TICK_S):
                return
            if time.monotonic() > deadline:
                raise self._late(next(one for one in group if not one.ready))

    def _is_ready(self, one: Watched) -> bool:
        """Whether it has become ready. Raises when it has ended: it would end again."""
        if not one.ready and one.part.exit_code() is not None:
            raise self._ended_early(one.part)
        one.ready = one.ready or one.part.is_ready()
        return one.ready

    def _tick(self) -> None:
        for group in self._groups:
            for one in group:
                if one.start_again_at is not None:
                    self._start_again(one)
                elif one.part.exit_code() is not None:
                    self._crashed(one)
                elif not one.ready:
                    one.ready = one.part.is_ready()

    def _crashed(self, one: Watched) -> None:
        now = time.monotonic()
        one.ready = False
        one.crashes = [at for at in one.crashes if now - at < RESTART_WINDOW_S]
        if len(one.crashes) >= len(RESTART_DELAYS_S):
            raise self._ended_early(one.part)
        delay_s = RESTART_DELAYS_S[len(one.crashes)]
        one.crashes.append(now)
        one.start_again_at = now + delay_s
        self._log.line(NAME, f"{_how_it_ended(one.part)}; starts again in {delay_s:g} s; its last lines:")
        for text in one.part.last_lines()[-10:]:
            self._log.line(NAME, f"    {text}")

    def _start_again(self, one: Watched) -> None:
        if one.start_again_at is not None and time.monotonic() >= one.start_again_at:
            one.start_again_at = None
            one.part.start()

    def _end_group(self, group: Sequence[Watched]) -> None:
        for one in group:
            one.part.stop()
        deadline = time.monotonic() + self._grace_s
        for one in group:
            one.part.wait(max(0.1, deadline - time.monotonic()))

    def _late(self, one: Watched) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"{one.part.name} is not ready after {self._start_timeout_s:g} s",
            field=one.part.name,
            found="; ".join(one.part.last_lines()[-5:]),
        )

    @staticmethod
    def _ended_early(part: Part) -> Unavailable:
        return Unavailable(
            _how_it_ended(part),
            field=part.name,
            expected="a part that goes on running",
            found="its last lines:\n" + "\n".join(f"    {one}" for one in part.last_lines()),
        )


def _cannot_start(error: Exception) -> Unavailable:
    """No such program, no more processes: what the system says of a child that never began."""
    return Unavailable(f"a part cannot be started: {error}")


def _how_it_ended(part: Part) -> str:
    code = part.exit_code()
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
    return f"{part.name} {how}"
