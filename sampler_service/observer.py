"""What the engine tells whoever measures it; metrics attach here, so the engine knows no exporter."""

from __future__ import annotations

from typing import Literal

EndReason = Literal["finished", "failed", "cancelled", "deadline", "unavailable"]


class EngineObserver:
    """Hooks, called on the engine's thread; override those of interest, and return quickly."""

    def on_queue(self, num_running: int, num_waiting: int) -> None:
        """After every admission round, and after every end of a run."""

    def on_admit(self, queue_s: float) -> None:
        """A run starts after waiting this long."""

    def on_tick(self, num_runs: int, num_particles: int, seconds: float) -> None:
        """One step of all runs is done."""

    def on_ess(self, ratio: float) -> None:
        """ESS / N of one run after one step."""

    def on_resample(self) -> None:
        """One run resampled."""

    def on_clip(self, count: int) -> None:
        """A finished run clipped this many values."""

    def on_finish(self, reason: EndReason) -> None:
        """A run that was submitted has ended, started or not."""
