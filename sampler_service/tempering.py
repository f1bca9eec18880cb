"""A plain reward that steers by what is known of x_0, and no further: for strong rewards and several modes.

    y_t = (1 - late) m_t + late x_0_hat,    var_t = (1 - late) C_t + late c_t
    beta r(x_t, t) = beta / (1 + beta (var_t - c_end)) r(y_t)

    m_t = mu + a v / (a^2 v + s^2) (x_t - a mu),    C_t = v s^2 / (a^2 v + s^2)

m_t is the best linear estimate of x_0 for data of mean mu and variance v, and C_t its error; x_0_hat is the
denoiser's, and c_t the prior's table. A quadratic reward of curvature 1 has, but for a constant,
E[exp(beta r)] = exp(beta r(m) / (1 + beta C)) under N(m, C): for a Gaussian prior this is the optimal twist.
Between modes x_0_hat is steep, and what it says there at full beta misleads: m_t takes its place until they
part. At the end it is r(x_0), so every exact corrector stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from apa.errors import FailedPrecondition, InvalidArgument
from apa.priors.base import Denoised, Prior
from apa.priors.posterior_variance import PosteriorVariance
from apa.priors.schedule import VPSchedule
from apa.records.sampling import SamplingConfig
from sampler_service.potential import Potential, Reward

PARTING = (-3.0, 5.0)
"""Log-SNR over which the estimate goes from m_t to x_0_hat, for data of unit scale."""


@dataclass(frozen=True)
class TemperedRewardPotential:
    """For beta_schedule = "constant", which leaves the tempering to it; see `tempered`.

    Attributes:
        mean: (1, *data_shape), mu.
        variance: v, averaged over coordinates.
        beta: at the data end.
        t_end: where the path ends.
    """

    reward: Reward
    schedule: VPSchedule
    posterior_variance: PosteriorVariance
    mean: Tensor
    variance: float
    beta: float
    t_end: float
    depends_on_t: bool = True
    uses_denoiser: bool = True

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        a, s, log_snr = self.schedule.scale(t), self.schedule.std(t), self.schedule.log_snr(t)
        end = self.schedule.log_snr(t.new_full((1,), self.t_end))
        late = _smooth_step(log_snr, end)
        noised_variance = a**2 * self.variance + s**2

        shape = (-1,) + (1,) * (x_t.dim() - 1)
        mean, share = self.mean.to(x_t), late.reshape(shape)
        gain = (a * self.variance / noised_variance).reshape(shape)
        linear = mean + gain * (x_t - a.reshape(shape) * mean)
        estimate = (1.0 - share) * linear + share * denoised.x_0_hat

        of_linear, of_denoised = self.variance * s**2 / noised_variance, self._table(log_snr)
        unknown = (1.0 - late) * of_linear + late * of_denoised - self._table(end)
        # A negative beta is tempered as much as a positive one.
        return self.reward(estimate) / (1.0 + abs(self.beta) * unknown.clamp(min=0.0))

    def _table(self, log_snr: Tensor) -> Tensor:
        return self.posterior_variance.at(log_snr).to(log_snr)


def _smooth_step(log_snr: Tensor, end: Tensor) -> Tensor:
    """From 0 to 1 over PARTING, and 1 at the log-SNR `end` of the path in any case."""
    first, last = PARTING
    share = ((log_snr - end.clamp(max=last)) / (last - first) + 1.0).clamp(0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


@torch.no_grad()
def tempered(
    reward: Reward, prior: Prior, config: SamplingConfig, device: torch.device | str = "cpu"
) -> TemperedRewardPotential:
    """A plain reward for runs of `config` on `prior`; costs one denoiser call of one particle.

    Curvature counts in units of |x|^2 / 2: a reward much flatter than that is tempered more than it needs.

    Args:
        config: with `beta_schedule="constant"`; runs take the same beta and t_end, see `check_tempering`.
        device: where the prior is.

    Raises:
        InvalidArgument: the config tempers beta too.
        FailedPrecondition: the prior has no table of its posterior variance.
    """
    table = prior.posterior_variance
    if table is None:
        raise FailedPrecondition(
            "the prior does not know its posterior variance",
            field="prior",
            expected="a prior folder with a posterior variance",
            found=prior.card.name,
        )
    # Pure noise tells nothing: the denoised estimate is the mean of the data, and its error their variance.
    mean = prior.denoise(
        torch.zeros(1, *prior.data_shape, device=device), torch.ones(1, device=device)
    ).x_0_hat
    potential = TemperedRewardPotential(
        reward=reward,
        schedule=prior.schedule,
        posterior_variance=table,
        mean=mean,
        variance=table.variance[0],
        beta=config.beta,
        t_end=config.t_end,
    )
    check_tempering(potential, config)
    return potential


def check_tempering(potential: Potential | None, config: SamplingConfig) -> None:
    """A tempered reward becomes r at one beta and one t_end only, and must not be tempered twice.

    Raises:
        InvalidArgument: names what the config has, and what the potential was made for.
    """
    if not isinstance(potential, TemperedRewardPotential):
        return
    made_for = {"beta_schedule": "constant", "beta": potential.beta, "t_end": potential.t_end}
    for name, expected in made_for.items():
        if getattr(config, name) != expected:
            raise InvalidArgument(
                "the run does not fit its tempered reward",
                field=f"sampling.{name}",
                expected=str(expected),
                found=str(getattr(config, name)),
            )
