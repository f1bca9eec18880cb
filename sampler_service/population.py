"""What a finished run hands back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Population:
    """N weighted particles.

    Attributes:
        x: (N, *data_shape), at t_end.
        log_weights: (N,), float64, unnormalised: those gathered since the last resampling.
        log_z: estimate of log E_q[exp(beta r)]; None where the corrector has none.
        kl_to_prior: estimate of KL(p_0 || q_0) = E_p[beta r] - log_z; None where log_z is.
        ess_history: effective sample size after each step, before any resampling; num_steps numbers.
        ancestors: (N,), row of the initial population, or of the stored draws, from which each descends.
        num_resamplings: how often the run resampled.
        unique_ancestors: how many initial particles have descendants.
        clip_events: values that a clip changed; 0 for every corrector but `clipped`.
        seed: of the run; the same seed and config give the same population.
        denoiser_evaluations: particles times denoiser calls that it took.
        tilt: (N,), float64, beta r of each where its target is read; None where the corrector has no log Z.
    """

    x: Tensor
    log_weights: Tensor
    log_z: float | None
    kl_to_prior: float | None
    ess_history: tuple[float, ...]
    ancestors: Tensor
    num_resamplings: int
    unique_ancestors: int
    clip_events: int
    seed: int
    denoiser_evaluations: int = 0
    tilt: Tensor | None = None

    @property
    def weights(self) -> Tensor:
        """(N,), float64, normalised."""
        return torch.softmax(self.log_weights, dim=0)
