"""Other people's samplers in the benchmark: right where their law is known."""

from __future__ import annotations

import pytest
import torch

from apa.priors import GaussianMixturePrior
from apa.records.sampling import IntegratorName, SamplingConfig
from benchmarks.routes.samplers.plain_guidance import plain_guidance
from benchmarks.routes.samplers.value_search import ValueSearch
from sampler_service.potential import DenoisedRewardPotential
from sampler_service.routes import Target, draw_by
from sampler_service.sampling import sample
from simulation.closed_forms import LinearReward

VARIANCE, BETA = 0.5, 2.0
PRIOR = GaussianMixturePrior(torch.zeros(1, 2), VARIANCE, torch.ones(1))
REWARD = LinearReward(torch.tensor([1.0, 0.0]))


def _target(beta: float = BETA, integrator: IntegratorName = "analytic") -> Target:
    config = SamplingConfig(num_steps=15, beta=beta, corrector="twisted", integrator=integrator, t_start=1.0)
    return Target(PRIOR, DenoisedRewardPotential(REWARD), config)


@pytest.mark.parametrize(("num_proposals", "expected"), [(1, 0.0), (64, BETA * VARIANCE)])
def test_a_search_of_many_proposals_is_the_target_and_of_one_the_prior(
    num_proposals: int, expected: float
) -> None:
    """Of one Gaussian and a linear reward, whose soft value is beta r(x_0_hat) but for a constant: the tilt
    moves the mean by beta v. 0.06 is four standard errors of 2,000 draws.
    """
    x = draw_by(ValueSearch(num_proposals), _target(), 2_000, seed=0).x

    assert float(x[:, 0].mean()) == pytest.approx(expected, abs=0.06)
    assert float(x[:, 1].mean()) == pytest.approx(0.0, abs=0.06)


def test_a_search_counts_every_proposal_that_it_asked_about() -> None:
    assert draw_by(ValueSearch(4), _target(), 8, seed=0).denoiser_evaluations == 8 * (1 + 15 * 4)


@pytest.mark.parametrize("beta", [0.0, BETA])
def test_plain_guidance_in_their_loop_is_our_corrector_of_that_name(beta: float) -> None:
    """The same kernel and drift: means within 0.06, four standard errors of 4,000 draws each, and the few
    thousandths that a table of 1,000 levels and the last step to t = 0 make.
    """
    target = _target(beta, "ancestral")
    theirs = draw_by(plain_guidance, target, 4_000, seed=0)

    ours = sample(
        PRIOR,
        target.potential,
        target.config.model_copy(update={"corrector": "guidance", "seed": 1}),
        num_particles=4_000,
    )

    assert theirs.x.mean(dim=0).tolist() == pytest.approx(ours.x.mean(dim=0).tolist(), abs=0.06)
    assert theirs.x.std(dim=0).tolist() == pytest.approx(ours.x.std(dim=0).tolist(), abs=0.06)
    assert theirs.log_z is None
