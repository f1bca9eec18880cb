"""How a run is computed: the one config that callers, sessions and the engine share."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

CorrectorName = Literal["fkc", "twisted", "clipped", "clipped_without_drift", "guidance", "none"]
CLIPPED: tuple[CorrectorName, ...] = ("clipped", "clipped_without_drift")
"""The paper's listing, in both of its readings."""
ResamplingName = Literal["systematic", "stratified", "multinomial", "ssp"]
IntegratorName = Literal["euler_maruyama", "ancestral", "analytic"]
GridName = Literal["uniform", "log_snr", "logistic"]
BetaScheduleName = Literal["linear", "constant"]
RouteName = Literal["rank", "pool_start", "steer"]
"""Ways to the same target, the cheapest first."""
RouteOption = Literal["auto", "rank", "pool_start", "steer"]
"""One of them, or the cheapest that is adequate."""


def _rising(interval: tuple[float, float]) -> tuple[float, float]:
    if not interval[0] < interval[1]:
        raise ValueError("t_min must be below t_max")
    return interval


_Time = Annotated[float, Field(ge=0.0, le=1.0)]
ActiveInterval = Annotated[tuple[_Time, _Time], AfterValidator(_rising)]
"""(t_min, t_max) of the path."""


class SamplingConfig(BaseModel):
    """Every knob of one run. Times are of the path: t = 1 is noise, t = 0 data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_steps: int = Field(default=100, ge=1, le=1000)
    """Steps from t_start to t_end."""
    beta: float = Field(default=1.0, ge=-1e4, le=1e4, allow_inf_nan=False)
    """Inverse temperature at the data end."""
    beta_schedule: BetaScheduleName = "linear"
    """Linear in 1 - t, from 0 at t_start or where the active interval starts; or constant, whole from the
    first step on, for a potential that tempers itself: see sampler_service/tempering.py."""
    corrector: CorrectorName = "fkc"
    """Which drift and which weights: see sampler_service/correctors."""
    resampling: ResamplingName = "systematic"
    ess_threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    """Resample when ESS < ess_threshold * N; 0 never resamples."""
    integrator: IntegratorName = "euler_maruyama"
    grid: GridName = "uniform"
    """Uniform in t, uniform in log-SNR, or logistic: most steps where the noise is as large as the data."""
    t_start: float = Field(default=1.0, gt=0.0, le=1.0)
    """Where the grid begins, in pure noise; below 1 no step is spent where nothing is left of the data."""
    t_end: float = Field(default=1e-3, gt=0.0, lt=1.0)
    """Where the grid stops, short of t = 0, where the noise vanishes."""
    active_interval: ActiveInterval | None = None
    """Steer between these times only, each moved to the nearest of the grid: beta is 0 down to t_max and
    whole from t_min on. Below it the prior's own kernel runs, and the reward is read once more at the end."""
    seed: int | None = Field(default=None, ge=0, le=2**63 - 1)
    """Seed of the run; drawn by the caller's generator or by the service when None."""
    route: RouteOption = "steer"
    """How the particles come about: see sampler_service/routes. A run in-process has no stored draws: auto
    steers there, rank and pool_start are refused; `sampler_service.routes.take` takes them."""

    def merged(self, overrides: SamplingOverrides | None) -> Self:
        """This config with every field that `overrides` names replaced, validated again."""
        if overrides is None:
            return self
        return type(self).model_validate(self.model_dump() | overrides.model_dump(exclude_none=True))


class SamplingOverrides(BaseModel):
    """The same knobs, each of which may be left to someone else's default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_steps: int | None = Field(default=None, ge=1, le=1000)
    beta: float | None = Field(default=None, ge=-1e4, le=1e4, allow_inf_nan=False)
    corrector: CorrectorName | None = None
    resampling: ResamplingName | None = None
    ess_threshold: float | None = Field(default=None, ge=0.0, le=1.0)
    integrator: IntegratorName | None = None
    grid: GridName | None = None
    seed: int | None = Field(default=None, ge=0, le=2**63 - 1)
    active_interval: ActiveInterval | None = None
    t_start: float | None = Field(default=None, gt=0.0, le=1.0)
    route: RouteOption | None = None
