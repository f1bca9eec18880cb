"""The grid of t and the scalars of each step, computed once per run in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.priors.schedule import VPSchedule
from apa.records.sampling import GridName, SamplingConfig


@dataclass(frozen=True)
class Step:
    """One step of the path, from t to t_next = t - dt.

    Attributes:
        beta, beta_next: the inverse temperature at both ends.
        sigma2, drift_rate: sigma_t^2 and f_t(x) / x where the step departs.
        sigma2_dt, drift_dt: the same integrated over the step.
        a, s, a_next, s_next: the path x_t = a x_0 + s eps at both ends.
    """

    t: float
    t_next: float
    beta: float
    beta_next: float
    sigma2: float
    drift_rate: float
    sigma2_dt: float
    drift_dt: float
    a: float
    s: float
    a_next: float
    s_next: float

    @property
    def dt(self) -> float:
        return self.t - self.t_next


def times(schedule: VPSchedule, grid: GridName, t_start: float, t_end: float, num_steps: int) -> Tensor:
    """(num_steps + 1,), float64, falling from t_start to t_end.

    Raises:
        InvalidArgument: t_end is not below t_start.
    """
    if not t_end < t_start:
        raise InvalidArgument(
            "the grid is empty",
            field="sampling.t_end",
            expected=f"below t_start = {t_start}",
            found=str(t_end),
        )
    ends = torch.tensor([t_start, t_end], dtype=torch.float64)
    if grid == "uniform":
        return torch.lerp(ends[0], ends[1], torch.linspace(0, 1, num_steps + 1, dtype=torch.float64))
    log_snr = schedule.log_snr(ends)
    t = schedule.time_of_log_snr(
        torch.lerp(log_snr[0], log_snr[1], torch.linspace(0, 1, num_steps + 1, dtype=torch.float64))
    )
    # The ends exactly as asked, whatever the inversion rounds to.
    t[0], t[-1] = t_start, t_end
    return t


def steps(schedule: VPSchedule, config: SamplingConfig) -> tuple[Step, ...]:
    """The steps of a run; beta grows linearly in tau = 1 - t, from 0 at t_start to config.beta at t_end."""
    t = times(schedule, config.grid, config.t_start, config.t_end, config.num_steps)
    beta = config.beta * (config.t_start - t) / (config.t_start - config.t_end)
    sigma2, drift_rate = schedule.sigma(t) ** 2, schedule.drift_rate(t)
    dt = t[:-1] - t[1:]
    # The trapezoid is exact for a noise rate linear in t: the law of the step, not only its left end.
    sigma2_dt = 0.5 * (sigma2[:-1] + sigma2[1:]) * dt
    drift_dt = 0.5 * (drift_rate[:-1] + drift_rate[1:]) * dt
    a, s = schedule.scale(t), schedule.std(t)
    columns = (
        *(t[:-1], t[1:], beta[:-1], beta[1:], sigma2[:-1], drift_rate[:-1], sigma2_dt, drift_dt),
        *(a[:-1], s[:-1], a[1:], s[1:]),
    )
    return tuple(Step(*row) for row in torch.stack(columns, dim=1).tolist())
