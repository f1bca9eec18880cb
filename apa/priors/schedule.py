"""The variance-preserving noise schedule: every Gaussian path the priors use.

x_t = a_t x_0 + s_t eps with a_t = exp(-int_0^t rate / 2) and s_t^2 = 1 - a_t^2; t = 0 is data, t = 1 noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class VPSchedule:
    """VP noise with a rate that grows linearly in t (Song et al. 2021, eq. 32).

    Every method takes t of any shape and returns the same shape.
    """

    noise_rate_min: float = 0.1
    noise_rate_max: float = 20.0

    def noise_rate(self, t: Tensor) -> Tensor:
        """The VP rate at t, per unit of t."""
        return self.noise_rate_min + (self.noise_rate_max - self.noise_rate_min) * t

    def log_scale(self, t: Tensor) -> Tensor:
        """log a_t."""
        return -0.5 * (self.noise_rate_min * t + 0.5 * (self.noise_rate_max - self.noise_rate_min) * t * t)

    def scale(self, t: Tensor) -> Tensor:
        """a_t, what is left of the data at t."""
        return self.log_scale(t).exp()

    def std(self, t: Tensor) -> Tensor:
        """s_t, the standard deviation of the noise at t; exact where 1 - a^2 would cancel."""
        return (-torch.expm1(2.0 * self.log_scale(t))).sqrt()

    def log_snr(self, t: Tensor) -> Tensor:
        """lambda = log(a^2 / s^2)."""
        log_scale = self.log_scale(t)
        return 2.0 * log_scale - torch.log(-torch.expm1(2.0 * log_scale))

    def sigma(self, t: Tensor) -> Tensor:
        """The SDE's diffusion coefficient, sqrt of the noise rate: dx = f dt + sigma dW."""
        return self.noise_rate(t).sqrt()

    def drift_rate(self, t: Tensor) -> Tensor:
        """f_t(x) = drift_rate(t) x, the forward drift: -rate / 2."""
        return -0.5 * self.noise_rate(t)

    def time_of_log_snr(self, log_snr: Tensor) -> Tensor:
        """The inverse of `log_snr`: the t at which the path has this log-SNR."""
        # lambda = -log(expm1(-2 log a)), so -2 log a = log1p(exp(-lambda)), a quadratic in t.
        exponent = torch.nn.functional.softplus(-log_snr)
        if self.noise_rate_max == self.noise_rate_min:
            return exponent / self.noise_rate_min
        slope = self.noise_rate_max - self.noise_rate_min
        root = (self.noise_rate_min**2 + 2.0 * slope * exponent).sqrt()
        return 2.0 * exponent / (root + self.noise_rate_min)

    def time_of_std_ratio(self, ratio: float) -> float:
        """The t at which s_t / a_t equals `ratio` (the sigma of EDM)."""
        return float(self.time_of_log_snr(torch.tensor(-2.0 * math.log(ratio), dtype=torch.float64)))
