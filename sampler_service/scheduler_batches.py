"""Which rows of which runs the next device batch computes: bounded, and shared by weight. No torch, no clock.

Of the runs that wait for an evaluation, the one that has had the least (elements over weight) comes first. A
run that fits into a batch is never cut; one that is larger fills what the others leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

CPU_BATCH_ELEMENTS = 64 * 28 * 28
"""Numbers in one batch on a CPU. Of the image prior that is 64 particles; more are no faster for each."""
GPU_BATCH_ELEMENTS = 64 * CPU_BATCH_ELEMENTS


def batch_elements(device_type: str) -> int:
    """How many numbers one batch holds, on a "cpu" or on any other device."""
    return CPU_BATCH_ELEMENTS if device_type == "cpu" else GPU_BATCH_ELEMENTS


def rows_of(elements: int, max_elements: int) -> int:
    """How many particles of so many numbers fit into a batch; one always does."""
    return max(1, max_elements // elements)


@dataclass(frozen=True)
class Wanted:
    """What one run still needs before it can take its step.

    Attributes:
        rows: particles that are still to be evaluated.
        elements: numbers in one particle.
        weight: share of the run, positive.
    """

    run_id: str
    rows: int
    elements: int = 1
    weight: float = 1.0


@dataclass
class Batches:
    """Shares one device between runs that are under way.

    Attributes:
        max_particles, max_elements: of one batch; a single particle is never too large.
    """

    max_particles: int
    max_elements: int
    _served: dict[str, float] = field(default_factory=dict)

    def next(self, wanted: Sequence[Wanted]) -> dict[str, int]:
        """Rows to compute now, by run; a run without an entry waits for a later batch."""
        self._meet(wanted)
        particles, elements = self.max_particles, self.max_elements
        rows: dict[str, int] = {}
        for run in sorted(wanted, key=lambda run: self._served[run.run_id]):
            whole = self.rows_of(run.elements)
            room = min(particles, elements // run.elements) if rows else whole
            given = run.rows if run.rows <= room else 0 if run.rows <= whole else room
            if given > 0:
                rows[run.run_id] = given
                particles, elements = particles - given, elements - given * run.elements
                self._served[run.run_id] += given * run.elements / run.weight
        return rows

    def rows_of(self, elements: int) -> int:
        """Particles of so many elements that fit into a batch of their own."""
        return min(self.max_particles, rows_of(elements, self.max_elements))

    def _meet(self, wanted: Sequence[Wanted]) -> None:
        """A new run begins level with the one that has had the least; one that has ended is forgotten."""
        known = [self._served[run.run_id] for run in wanted if run.run_id in self._served]
        least = min(known, default=0.0)
        self._served = {run.run_id: self._served.get(run.run_id, least) for run in wanted}
