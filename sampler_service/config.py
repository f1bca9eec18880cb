"""Settings of the sampler, from APA_SAMPLER_* and REDIS_URL."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from apa.config import ServerSettings
from apa.records.sampling import CorrectorName, GridName, IntegratorName, SamplingConfig
from apa.records.session import MAX_PARTICLES
from sampler_service.selection.gumbel_top_k import TEMPERATURE

T_END: float = SamplingConfig.model_fields["t_end"].default


class SamplerSettings(ServerSettings):
    """Everything that an operator may set; the defaults are for one small machine."""

    model_config = SettingsConfigDict(env_prefix="APA_SAMPLER_")

    prior_folders: tuple[Path, ...] = ()
    """Directories of prior folders, beside the shipped ones; an earlier one wins a name."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where runs compute; auto takes the GPU when there is one."""
    torch_threads: int = Field(default=0, ge=0, le=1024)
    """Threads of one tick on the CPU; 0 leaves it to torch."""
    max_batch_particles: int = Field(default=MAX_PARTICLES, ge=1)
    """Particles in one batch of the device, over all runs; a larger run takes several batches for a step."""
    max_waiting_runs: int = Field(default=256, ge=0)
    """Runs that may wait for a place; beyond it, RESOURCE_EXHAUSTED."""
    max_particles: int = Field(default=MAX_PARTICLES, ge=1, le=MAX_PARTICLES)
    """N of one run, at most."""
    max_steps: int = Field(default=1000, ge=1, le=1000)
    """Steps of one run, at most."""
    slate_lifetime_s: float = Field(default=86400.0, gt=0.0)
    """How long a shown slate may be answered before its reserved budget is given back."""
    reservation_lifetime_s: float = Field(default=600.0, gt=0.0)
    """How long a slate may take to be made before its reserved budget is given back."""
    surrogate_cache_bytes: int = Field(default=256 * 1024 * 1024, ge=0)
    """Artifacts kept in memory."""
    store_threads: int = Field(default=16, ge=1, le=256)
    """Calls to the store that may be under way at once."""

    num_particles: int = Field(default=32, ge=1, le=MAX_PARTICLES)
    """N of a run that names none."""
    num_steps: int = Field(default=15, ge=1, le=1000)
    """Default of runs; measured in docs/decisions/0004."""
    beta: float = Field(default=9.0, ge=-1e4, le=1e4, allow_inf_nan=False)
    corrector: CorrectorName = "twisted"
    """Exact for the discrete chain of a learned prior, and for surrogates that depend on t."""
    integrator: IntegratorName = "ancestral"
    grid: GridName = "uniform"
    t_start: float = Field(default=0.8, gt=0.0, le=1.0)
    """Where runs begin, or later, at up to 1, where their prior would keep over 4% of an item's size there;
    measured in docs/decisions/0004."""
    route: Literal["auto", "steer"] = "auto"
    """Of runs that name none: steer from noise, or the cheapest route that is adequate."""
    pool_size: int = Field(default=4096, ge=64, le=65536)
    """Stored draws of a prior whose folder holds none, drawn in the background once a route first asks for
    them."""
    pool_dir: Path | None = None
    """Keeps the draws of such a pool here, for the next start; several samplers may share it."""

    prepare: bool = False
    """Whether a session's next run is made when its surrogate is published, ahead of the call."""
    prepared_runs: int = Field(default=64, ge=1, le=4096)
    """Runs made ahead, under way or kept, at most."""
    prepared_bytes: int = Field(default=64 * 1024 * 1024, ge=0)
    """Particles of runs made ahead, at most; the oldest go first."""
    prepared_lifetime_s: float = Field(default=300.0, gt=0.0)
    """How long a run made ahead is kept, and how long after its last slate a session is prepared for."""

    gumbel_temperature: float = Field(default=TEMPERATURE, ge=0.01, le=100.0)
    """Of the policy gumbel_top_k, in standard deviations of the candidates' scores: higher explores more."""

    @model_validator(mode="after")
    def _defaults_within_limits(self) -> Self:
        for name, most in (("num_steps", "max_steps"), ("num_particles", "max_particles")):
            if getattr(self, name) > getattr(self, most):
                raise ValueError(f"{name} must be at most {most} ({getattr(self, most)})")
        if self.t_start <= T_END:
            raise ValueError(f"t_start must be above {T_END}, where the path ends")
        return self

    def sampling(self) -> SamplingConfig:
        """The config of a run for which neither the session nor the request says otherwise."""
        return SamplingConfig(
            num_steps=self.num_steps,
            beta=self.beta,
            corrector=self.corrector,
            integrator=self.integrator,
            grid=self.grid,
            t_start=self.t_start,
            route=self.route,
        )
