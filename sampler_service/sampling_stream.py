"""One `Sample` call from end to end: prepare, run, show, store; its events as they happen."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor, Future
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

from apa.errors import ApaError, Cancelled, DeadlineExceeded
from apa.records.run_events import Finished, Progress, RunEvent, Started
from apa.records.sampling import SamplingOverrides
from apa.records.shown import ShownSlate
from apa.wire.tensors import chunks
from sampler_service import service_loop
from sampler_service.calls import Job, SampleCall
from sampler_service.engine import Progress as EngineProgress
from sampler_service.measuring import Measuring
from sampler_service.population import Population
from sampler_service.potential import as_potential
from sampler_service.prepared_runs import PreparedRun, PreparedRuns
from sampler_service.preparing import Preparing
from sampler_service.routing import Ranked, Routed, Routing
from sampler_service.selection import policies
from sampler_service.service_loop import EngineThread, RunRequest
from sampler_service.showing import Policies, as_shown, make_slate
from sampler_service.showing_on_device import OnDevice
from sampler_service.telling import certificate_of, finished_of, preview_of, started_of
from sampler_service.unread import UnreadEvents

T = TypeVar("T")


@dataclass(frozen=True)
class SamplingStream:
    """Runs calls.

    Attributes:
        executor: a bounded pool for what blocks: the store, loading, selection.
    """

    preparing: Preparing
    routing: Routing
    engine: EngineThread
    executor: Executor
    measuring: Measuring
    prepared: PreparedRuns

    @property
    def on_device(self) -> OnDevice:
        return OnDevice(self.engine)

    @property
    def policies(self) -> Policies:
        return policies(self.preparing.settings.gumbel_temperature)

    async def events(self, call: SampleCall, deadline_s: float | None) -> AsyncGenerator[RunEvent, None]:
        """Started, Progress, ParticleChunk, the slate, Finished.

        Args:
            deadline_s: on `time.monotonic`'s clock.

        Raises:
            ApaError: the call is wrong, or could not be served; what it reserved is given back.
        """
        began_s = time.monotonic()
        job = await self._prepared(call)
        if job.reservation is not None and job.reservation.replay is not None:
            for event in await self._blocking(self._replayed, job):
                yield event
            return
        stored = False
        left = threading.Event()
        try:
            async with aclosing(self._run(job, deadline_s, began_s, left)) as running:
                async for event in running:
                    stored = stored or isinstance(event, ShownSlate)
                    yield event
        finally:
            # Also reached by GeneratorExit, when the caller went away: nothing may be awaited for long here.
            left.set()
            if not stored:
                self.executor.submit(self._release, job)

    async def _prepared(self, call: SampleCall) -> Job:
        """The job; one that nobody waits for any more gives back what it reserved."""
        future = self.executor.submit(self.preparing.job, call)
        try:
            return await asyncio.wrap_future(future)
        except BaseException:
            # The callback may run on the event loop, which a call to the store must not block.
            future.add_done_callback(lambda done: self.executor.submit(self._abandon, done))
            raise

    def _abandon(self, future: Future[Job]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._release(future.result())

    async def _run(
        self, job: Job, deadline_s: float | None, began_s: float, left: threading.Event
    ) -> AsyncGenerator[RunEvent, None]:
        max_bytes = self.preparing.settings.max_message_bytes
        asked_s = time.monotonic()
        made = await self._made_ahead(job, deadline_s)
        run, ahead = (None, None) if made is None else made
        if run is not None:
            job = replace(job, config=run.job.config)
        routed = await self._routed(job) if run is None else run.routed_for(job)
        self.measuring.routed(routed.choice.name)
        event: service_loop.RunEvent
        if run is not None and ahead is not None:
            yield started_of(run.run_id, job, routed.choice, prepared=True)
            event = ahead
        elif routed.ranked is None:
            events = UnreadEvents(max_preview_bytes=max_bytes)
            handle = self.engine.submit(_request(job, routed, deadline_s), events.put)
            try:
                yield started_of(handle.run_id, job, routed.choice)
                while not isinstance(event := await events.get(), service_loop.Finished):
                    if isinstance(event, service_loop.Failed):
                        raise event.error
                    if isinstance(event, EngineProgress):
                        yield await self._progress(event)
            finally:
                handle.cancel()
        else:
            yield started_of(uuid.uuid4().hex, job, routed.choice)
            event = service_loop.Finished(routed.ranked.population, 0.0, time.monotonic() - asked_s)
        self.measuring.first_particle(time.monotonic() - began_s)
        population = await self._on_host(event.population)
        if job.call.include_particles or job.session is None:
            for chunk in chunks(population.x.numpy(), population.log_weights.numpy(), max_bytes):
                yield chunk
        certifying = self.executor.submit(certificate_of, job, population, routed)
        if job.session is not None:
            yield await self._blocking(self._show, job, population, routed.ranked, left)
        certificate = await asyncio.wrap_future(certifying)
        self.measuring.certified(routed.choice.name, certificate)
        yield finished_of(event, routed.denoiser_evaluations, certificate)

    async def _made_ahead(
        self, job: Job, deadline_s: float | None
    ) -> tuple[PreparedRun, service_loop.Finished] | None:
        """The run that was made for this call, once it is done; None where there is none, or it failed."""
        run = self.prepared.take(job)
        if run is None:
            return None
        left_s = None if deadline_s is None else deadline_s - time.monotonic()
        try:
            return run, await asyncio.wait_for(asyncio.wrap_future(run.result), left_s)
        except TimeoutError:
            raise DeadlineExceeded("the deadline passed while the run was under way") from None
        except ApaError:
            return None
        finally:
            run.cancel()

    async def _routed(self, job: Job) -> Routed:
        """Where nothing has to be weighed, without a thread of the store's."""
        known = self.routing.at_once(job)
        return await self._blocking(self.routing.of, job) if known is None else known

    async def _on_host(self, population: Population) -> Population:
        # On a CPU there is nothing to wait for, and no thread of the store's to take for it.
        if population.x.device.type == "cpu":
            return population
        return await self._blocking(self.on_device.on_host, population)

    async def _progress(self, progress: EngineProgress) -> Progress:
        preview = None
        if progress.preview is not None:
            given = progress.preview
            # On a CPU there is nothing to wait for, and no thread of the store's to take for it.
            there = given.x_0_hat.device.type == "cpu"
            preview = preview_of(
                given if there else await self._blocking(self.on_device.preview_on_host, given)
            )
        return Progress(
            progress.step,
            progress.num_steps,
            progress.ess,
            progress.log_z,
            progress.num_resamplings,
            preview,
        )

    def _show(
        self, job: Job, population: Population, ranked: Ranked | None, left: threading.Event
    ) -> ShownSlate:
        slates = self.preparing.stores.slates
        assert job.session is not None
        everything = None if ranked is None else ranked.candidates
        known_by_name = job.catalogue is not None or everything is not None
        before = slates.shown_items(job.session.session_id) if known_by_name else set[str]()
        config = job.session.config
        lifetime_s = config.answer_wait_s or self.preparing.settings.slate_lifetime_s
        made = make_slate(job, population, before, lifetime_s, self.on_device, self.policies, everything)
        if left.is_set():
            # A slate that nobody sees would hold its budget until it expires.
            raise Cancelled("the caller left before the slate was stored")
        slate = slates.put(made.slate, made.particles, has_default=config.default_reward is not None)
        self.measuring.served(job)
        self.prepared.served(job.session.session_id)
        return as_shown(job, slate, [particle.x for particle in made.particles], self.on_device.images)

    def _replayed(self, job: Job) -> list[RunEvent]:
        assert job.reservation is not None
        slate = job.reservation.replay
        assert slate is not None
        ids = [item.particle_id for item in slate.items]
        particles = self.preparing.stores.slates.particles(slate.session_id, ids)
        started = Started(
            run_id=uuid.uuid4().hex,
            request_id=slate.request_id,
            prior=job.prior.card.name,
            surrogate_version=slate.surrogate_version,
            sampling=SamplingOverrides(),
            num_particles=len(ids),
            replayed=True,
        )
        nothing = Finished(None, None, (), 0, 0, 0, 0.0, 0.0)
        return [
            started,
            as_shown(job, slate, [particle.x for particle in particles], self.on_device.images),
            nothing,
        ]

    def _release(self, job: Job) -> None:
        if job.session is None or job.reservation is None:
            return
        try:
            self.preparing.stores.slates.release(job.session.session_id, job.reservation.slate_id)
        except ApaError as error:
            # The reservation expires by itself; until then it holds back what it asked.
            self.measuring.release_failed(error)

    async def _blocking(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.executor, call, *args)


def _request(job: Job, routed: Routed, deadline_s: float | None) -> RunRequest:
    return RunRequest(
        run_id=uuid.uuid4().hex,
        prior=job.prior,
        potential=as_potential(job.surrogate),
        config=routed.config,
        num_particles=job.num_particles,
        tenant=job.call.tenant if job.session is None else job.session.tenant,
        deadline_s=deadline_s,
        progress_every=job.call.progress_every,
        preview_particles=job.call.preview_particles,
        start=routed.start,
    )
