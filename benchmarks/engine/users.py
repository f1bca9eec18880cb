"""Priors as shipped, and users whose surrogates differ as users' do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from apa.prior_folders import find_prior
from apa.priors import Prior, load_prior
from apa.records.sampling import SamplingConfig
from apa.surrogates import LinearSurrogate
from sampler_service.potential import Potential, SurrogatePotential
from sampler_service.run import Run, plan_run, start_run
from sampler_service.scheduler import Limits
from sampler_service.service_loop import EngineThread, Failed, Finished, RunEvent, RunRequest
from trainer_worker.fit import fit
from trainer_worker.observations import Observations


def prior(name: str) -> Prior:
    return load_prior(find_prior(name))


def users(of: Prior, count: int) -> list[LinearSurrogate]:
    """Heads of so many users: one fit, then weights of their own."""
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(24, *of.data_shape, generator=generator)
    fitted = fit("linear", of, Observations.scalar(items, items.flatten(1)[:, 0]), seed=0)
    assert isinstance(fitted, LinearSurrogate)
    scale = fitted.weights.std()
    return [
        replace(
            fitted, weights=fitted.weights + scale * torch.randn(fitted.weights.shape, generator=generator)
        )
        for _ in range(count)
    ]


def config(num_steps: int, seed: int = 0, beta: float = 2.0) -> SamplingConfig:
    return SamplingConfig(
        num_steps=num_steps, beta=beta, corrector="twisted", integrator="ancestral", seed=seed
    )


def runs(
    of: Prior,
    surrogates: Sequence[LinearSurrogate],
    num_particles: int,
    num_steps: int = 1000,
    beta: float = 2.0,
) -> list[Run]:
    """One run for each of the surrogates; the seed is its position."""
    return [
        start_run(
            plan_run(of, SurrogatePotential(surrogate), config(num_steps, beta=beta), num_particles),
            torch.device("cpu"),
            seed,
        )
        for seed, surrogate in enumerate(surrogates)
    ]


@contextmanager
def engine(limits: Limits | None = None) -> Iterator[EngineThread]:
    thread = EngineThread(limits or Limits(max_waiting=4096))
    thread.start()
    try:
        yield thread
    finally:
        thread.stop(grace_s=0.0)


@dataclass
class Watched:
    """A submitted run: when it ended, and as what."""

    submitted_s: float = field(default_factory=time.perf_counter)
    ended_s: float = 0.0
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def __call__(self, event: RunEvent) -> None:
        if isinstance(event, Failed):
            self.error = event.error
        if isinstance(event, (Finished, Failed)):
            self.ended_s = time.perf_counter()
            self.done.set()

    def wait(self) -> float:
        """Seconds from submission to the end."""
        assert self.done.wait(timeout=600), "a run did not end"
        if self.error is not None:
            raise self.error
        return self.ended_s - self.submitted_s


_COUNT = iter(range(10**12))


def submit(
    to: EngineThread,
    of: Prior,
    potential: Potential | None,
    num_particles: int,
    num_steps: int,
    tenant: str = "default",
) -> Watched:
    watched = Watched()
    run_id = str(next(_COUNT))
    to.submit(RunRequest(run_id, of, potential, config(num_steps), num_particles, tenant), watched)
    return watched
