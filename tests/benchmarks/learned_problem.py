"""A mixture in the place of a learned prior: its chain is cheap, and what it should give is known."""

from __future__ import annotations

import torch
from torch import Tensor

from apa.priors import GaussianMixturePrior
from apa.records.sampling import SamplingConfig
from benchmarks.exactness.learned.cases import LearnedCase
from benchmarks.exactness.learned.draws import Chain
from sampler_service.potential import DenoisedRewardPotential
from simulation.closed_forms import LinearReward

PRIOR = GaussianMixturePrior(
    torch.tensor([[-1.5, 0.0], [1.5, 0.5], [0.0, 1.8]]), 0.15, torch.tensor([0.5, 0.3, 0.2])
)
SLOPE = LinearReward(torch.tensor([0.8, -0.4]))
BETA = 1.0


def nearest_mode(x: Tensor) -> Tensor:
    """(N, 3), a 1 for the mode whose mean is nearest."""
    return torch.nn.functional.one_hot(torch.cdist(x, PRIOR.means).argmin(dim=1), 3).float()


def mixture_case() -> LearnedCase:
    """Twelve steps, far too few for the closed form: the chain's own law is the target."""
    return LearnedCase(
        name="mixture",
        chain=Chain(
            PRIOR,
            SamplingConfig(num_steps=12, corrector="twisted", integrator="ancestral"),
            "x_0_hat",
            nearest_mode,
            "nearest mode",
        ),
        potential=DenoisedRewardPotential(SLOPE),
        reward=lambda x_0_hat: SLOPE(x_0_hat).double(),
        groups={"mode": ("left", "right", "top")},
        cells=lambda judged: judged,
    )
