"""Who runs next: waiting runs under a particle limit, by weighted share of each tenant. No torch, no clock.

Order: the tenant that has had the least (particle-steps over weight), within it the nearest deadline, then
arrival. The next run in that order is never overtaken by a smaller one that would fit, so nothing starves.

But a tenant gets no further place while it holds more particles than are free (dynamic thresholds:
Choudhury and Hahne 1998), and is passed over for the time. So alone it holds half of the places and a run
more, and whoever comes next mostly finds room at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from apa.errors import InvalidArgument, ResourceExhausted
from sampler_service.scheduler_batches import CPU_BATCH_ELEMENTS, Batches, Wanted

PATIENCE_S = 60.0
"""The deadline that a run without one counts as having, so that no stream of others holds it back."""
BATCHES_UNDER_WAY = 4
"""Particles that are admitted, in largest batches: room for others beside a run of the largest size."""


@dataclass(frozen=True)
class Limits:
    """Bounds of what is admitted, of what may wait, and of one device batch."""

    max_particles: int = BATCHES_UNDER_WAY * 4096
    """Particles under way at once, over all runs; bounds the memory of their states."""
    max_batch_particles: int = 4096
    """Particles in one batch, over all runs."""
    max_batch_elements: int = CPU_BATCH_ELEMENTS
    """Numbers in one batch, over all runs; bounds its time and the memory of its activations."""
    max_waiting: int = 64
    """Waiting runs, over all tenants."""
    max_waiting_per_tenant: int | None = None
    """Waiting runs of one tenant; None for no bound of its own."""
    retry_after_s: float = 1.0
    """What a run that finds no place is told to wait."""


@dataclass(frozen=True)
class Ticket:
    """One run as the scheduler sees it."""

    run_id: str
    num_particles: int
    num_steps: int
    tenant: str = "default"
    deadline_s: float | None = None
    """On the caller's clock; a run whose deadline has passed is never started."""
    elements: int = 1
    """Numbers in one particle."""


@dataclass(frozen=True)
class Admission:
    """What `admit` decided, each in order."""

    started: tuple[str, ...]
    expired: tuple[str, ...]


@dataclass(frozen=True)
class _Waiting:
    ticket: Ticket
    arrived_s: float
    place: int

    @property
    def urgency(self) -> tuple[float, int]:
        deadline_s = self.ticket.deadline_s
        return (self.arrived_s + PATIENCE_S if deadline_s is None else deadline_s, self.place)


@dataclass
class Scheduler:
    """Waiting and running runs. Every time is passed in.

    Attributes:
        weights: share of each tenant, positive; 1 for those not named.
    """

    limits: Limits = field(default_factory=Limits)
    weights: Mapping[str, float] = field(default_factory=dict)
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    _running: dict[str, Ticket] = field(default_factory=dict)
    _served: dict[str, float] = field(default_factory=dict)
    _virtual_time: float = 0.0
    _arrivals: int = 0

    def __post_init__(self) -> None:
        self._batches = Batches(self.limits.max_batch_particles, self.limits.max_batch_elements)

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def particles_running(self) -> int:
        return sum(ticket.num_particles for ticket in self._running.values())

    def submit(self, ticket: Ticket, now_s: float) -> None:
        """Lets a run wait.

        Raises:
            ResourceExhausted: too many wait; says when to try again.
            InvalidArgument: it alone is over the particle limit, or its id is taken.
        """
        self._check(ticket)
        self._forget_idle_tenants()
        # A tenant that comes back does not collect the share it had no use for.
        self._served.setdefault(ticket.tenant, self._virtual_time)
        self._waiting[ticket.run_id] = _Waiting(ticket, now_s, self._arrivals)
        self._arrivals += 1

    def admit(self, now_s: float) -> Admission:
        """Starts what fits, and drops what is too late."""
        late = [
            run_id
            for run_id, waiting in self._waiting.items()
            if waiting.ticket.deadline_s is not None and waiting.ticket.deadline_s <= now_s
        ]
        for run_id in late:
            del self._waiting[run_id]
        started = []
        free = self.limits.max_particles - self.particles_running
        while (ticket := self._next(free)) is not None and ticket.num_particles <= free:
            free -= ticket.num_particles
            self._start(ticket)
            started.append(ticket.run_id)
        return Admission(tuple(started), tuple(late))

    def batch(self, rows: Mapping[str, int]) -> dict[str, int]:
        """Rows of each running run that the next batch computes; a run without an entry is not in it.

        A tenant's weight is shared by its runs, so that many runs are no larger a share than one.

        Args:
            rows: by running run, how many it still has to evaluate before its next step.
        """
        runs = Counter(self._running[run_id].tenant for run_id in rows)
        tickets = [(self._running[run_id], wanted) for run_id, wanted in rows.items()]
        return self._batches.next(
            [
                Wanted(
                    ticket.run_id, wanted, ticket.elements, self._weight(ticket.tenant) / runs[ticket.tenant]
                )
                for ticket, wanted in tickets
            ]
        )

    def rows_of(self, elements: int) -> int:
        """Particles of so many elements that fit into one batch."""
        return self._batches.rows_of(elements)

    def hand_over(self, run_id: str, tenant: str) -> None:
        """Makes a run another tenant's, who is charged for all of it. Unknown ids are ignored."""
        self._served.setdefault(tenant, self._virtual_time)
        if (waiting := self._waiting.get(run_id)) is not None:
            self._waiting[run_id] = replace(waiting, ticket=replace(waiting.ticket, tenant=tenant))
        elif (ticket := self._running.get(run_id)) is not None:
            self._running[run_id] = replace(ticket, tenant=tenant)
            self._served[tenant] += ticket.num_particles * ticket.num_steps / self._weight(tenant)

    def release(self, run_id: str) -> None:
        """Frees the place of a run, however it ended, waiting or running. Unknown ids are ignored."""
        self._waiting.pop(run_id, None)
        self._running.pop(run_id, None)

    def _check(self, ticket: Ticket) -> None:
        limits = self.limits
        if not 1 <= ticket.num_particles <= limits.max_particles:
            raise InvalidArgument(
                "a run of this size never fits",
                field="num_particles",
                expected=f"1 to {limits.max_particles}",
                found=str(ticket.num_particles),
            )
        if ticket.run_id in self._waiting or ticket.run_id in self._running:
            raise InvalidArgument("the run id is taken", field="run_id", found=ticket.run_id)
        own = sum(waiting.ticket.tenant == ticket.tenant for waiting in self._waiting.values())
        own_limit = limits.max_waiting_per_tenant
        if len(self._waiting) >= limits.max_waiting or (own_limit is not None and own >= own_limit):
            raise ResourceExhausted(
                f"{len(self._waiting)} runs wait already, {own} of them of this tenant",
                retry_after_s=limits.retry_after_s,
            )

    def _next(self, free: int) -> Ticket | None:
        """The first in order, of the tenants that may take another place while so many particles are free."""
        held = Counter[str]()
        for ticket in self._running.values():
            held[ticket.tenant] += ticket.num_particles
        first = min(
            (waiting for waiting in self._waiting.values() if held[waiting.ticket.tenant] <= free),
            key=lambda waiting: (self._served[waiting.ticket.tenant], waiting.urgency),
            default=None,
        )
        return None if first is None else first.ticket

    def _start(self, ticket: Ticket) -> None:
        """The whole run is charged when it starts."""
        particle_steps = ticket.num_particles * ticket.num_steps
        # What each busy tenant would have had of it, were shares kept exactly. It grows with every start, so
        # that ever new tenants, who begin there, cannot hold back an old one.
        self._virtual_time += particle_steps / sum(map(self._weight, self._busy_tenants()))
        self._served[ticket.tenant] += particle_steps / self._weight(ticket.tenant)
        del self._waiting[ticket.run_id]
        self._running[ticket.run_id] = ticket

    def _weight(self, tenant: str) -> float:
        return self.weights.get(tenant, 1.0)

    def _busy_tenants(self) -> set[str]:
        waiting = {waiting.ticket.tenant for waiting in self._waiting.values()}
        return waiting | {ticket.tenant for ticket in self._running.values()}

    def _forget_idle_tenants(self) -> None:
        """Keeps the record of tenants bounded: one with no runs and no head start left is like a new one."""
        busy = self._busy_tenants()
        self._served = {
            tenant: served
            for tenant, served in self._served.items()
            if tenant in busy or served > self._virtual_time
        }
