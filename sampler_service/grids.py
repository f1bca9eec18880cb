"""The grid of t and the scalars of each step, computed once per run in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.priors.posterior_variance import PosteriorVariance
from apa.priors.schedule import VPSchedule
from apa.records.sampling import BetaScheduleName, GridName, SamplingConfig

LOGISTIC_CENTRE = 1.0
"""Log-SNR at which the grid `logistic` is finest: of data of unit scale the modes part a little before it."""


START_SCALE = 0.04
"""Of an item's size, what may be left where a run begins in pure noise."""


@dataclass(frozen=True)
class Step:
    """One step of the path, from t to t_next = t - dt.

    Attributes:
        steered: whether it lies in the active interval; elsewhere the prior's own kernel is right.
        beta, beta_next: the inverse temperature at both ends.
        sigma2, drift_rate: sigma_t^2 and f_t(x) / x where the step departs.
        sigma2_dt, drift_dt: the same integrated over the step.
        a, s, a_next, s_next: the path x_t = a x_0 + s eps at both ends.
        x_0_variance: of x_0 given x_t where the step departs, on average; 0 where nobody asked for it.
    """

    t: float
    t_next: float
    steered: bool
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
    x_0_variance: float = 0.0

    @property
    def dt(self) -> float:
        return self.t - self.t_next

    @property
    def ratio(self) -> float:
        """exp(-dlambda), of the two signal-to-noise ratios: how much of x_t the ancestral step keeps."""
        return (self.a / self.s * self.s_next / self.a_next) ** 2

    @property
    def fresh(self) -> float:
        """1 - ratio, without cancellation: how much of x_0_hat the ancestral step takes."""
        return -math.expm1(math.log(self.ratio)) if self.ratio > 0.0 else 1.0


def times(schedule: VPSchedule, grid: GridName, t_start: float, t_end: float, num_steps: int) -> Tensor:
    """(num_steps + 1,), float64, falling from t_start to t_end.

    `logistic` is uniform in sigmoid(log-SNR - 1): its levels have the logistic density over the log-SNR.

    Raises:
        InvalidArgument: t_start is not above t_end.
    """
    if not t_end < t_start:
        raise InvalidArgument(
            "the grid is empty",
            field="sampling.t_start",
            expected=f"above t_end = {t_end}",
            found=str(t_start),
        )
    ends = torch.tensor([t_start, t_end], dtype=torch.float64)
    share = torch.linspace(0, 1, num_steps + 1, dtype=torch.float64)
    if grid == "uniform":
        return torch.lerp(ends[0], ends[1], share)
    log_snr = schedule.log_snr(ends)
    if grid == "log_snr":
        levels = torch.lerp(log_snr[0], log_snr[1], share)
    else:
        quantiles = torch.sigmoid(log_snr - LOGISTIC_CENTRE)
        levels = LOGISTIC_CENTRE + torch.logit(torch.lerp(quantiles[0], quantiles[1], share))
    t = schedule.time_of_log_snr(levels)
    # The ends exactly as asked, whatever the inversion rounds to.
    t[0], t[-1] = t_start, t_end
    return t


def start_time(schedule: VPSchedule, wanted: float) -> float:
    """`wanted`, or as much later as it takes until at most START_SCALE of an item is left; at most 1."""
    scale = schedule.scale(torch.tensor(wanted, dtype=torch.float64))
    if scale <= START_SCALE:
        return wanted
    log_snr = 2.0 * math.log(START_SCALE) - math.log1p(-(START_SCALE**2))
    return min(1.0, float(schedule.time_of_log_snr(torch.tensor(log_snr, dtype=torch.float64))))


def steps(
    schedule: VPSchedule,
    config: SamplingConfig,
    posterior_variance: PosteriorVariance | None = None,
    start_share: float = 0.0,
) -> tuple[Step, ...]:
    """The steps of a run; over the active interval beta goes from 0 to config.beta, as its schedule says.

    Args:
        start_share: of beta, where the run starts; then the active interval starts there too.

    Raises:
        InvalidArgument: the grid is empty, or no step of it lies in the active interval.
    """
    t = times(schedule, config.grid, config.t_start, config.t_end, config.num_steps)
    first, last = _active(t, config.active_interval)
    if start_share > 0.0:
        first = 0
    share = _share_of_beta(config.beta_schedule, t, first, last)
    beta = config.beta * (start_share + (1.0 - start_share) * share)
    sigma2, drift_rate = schedule.sigma(t) ** 2, schedule.drift_rate(t)
    dt = t[:-1] - t[1:]
    # The trapezoid is exact for a noise rate linear in t: the law of the step, not only its left end.
    sigma2_dt = 0.5 * (sigma2[:-1] + sigma2[1:]) * dt
    drift_dt = 0.5 * (drift_rate[:-1] + drift_rate[1:]) * dt
    a, s = schedule.scale(t), schedule.std(t)
    columns = (
        *(beta[:-1], beta[1:], sigma2[:-1], drift_rate[:-1], sigma2_dt, drift_dt),
        *(a[:-1], s[:-1], a[1:], s[1:]),
        torch.zeros_like(t[:-1])
        if posterior_variance is None
        else posterior_variance.at(schedule.log_snr(t[:-1])),
    )
    ts, rows = t.tolist(), torch.stack(columns, dim=1).tolist()
    return tuple(Step(ts[i], ts[i + 1], first <= i < last, *row) for i, row in enumerate(rows))


def _share_of_beta(schedule: BetaScheduleName, t: Tensor, first: int, last: int) -> Tensor:
    """beta_t / beta at each t: 0 where steering starts, 1 where it ends."""
    if schedule == "constant":
        # 0 at the start alone: all weights are equal there, and the first step takes on the whole of beta r.
        return (torch.arange(len(t)) > first).to(t)
    return ((t[first] - t) / (t[first] - t[last])).clamp(0.0, 1.0)


def _active(t: Tensor, interval: tuple[float, float] | None) -> tuple[int, int]:
    """Positions in the grid where steering starts and ends: the times nearest to those asked for."""
    if interval is None:
        return 0, len(t) - 1
    t_min, t_max = interval
    first, last = (int((t - at).abs().argmin()) for at in (t_max, t_min))
    if first == last:
        raise InvalidArgument(
            "no step of the grid lies in the active interval",
            field="sampling.active_interval",
            expected=f"times at least a step apart, between {t[-1]:g} and {t[0]:g}",
            found=f"({t_min:g}, {t_max:g}), both nearest to {t[first]:g}",
        )
    return first, last
