"""A reward tempered by what is known: optimal for a Gaussian prior, exact at the end, good for modes."""

from __future__ import annotations

import pytest
import torch

from apa.errors import FailedPrecondition, InvalidArgument
from apa.priors.base import Denoised
from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.priors.posterior_variance import PosteriorVariance
from apa.records.sampling import CorrectorName, SamplingConfig
from sampler_service import sample
from sampler_service.correctors.twisted import Twisted
from sampler_service.potential import RewardPotential
from sampler_service.tempering import PARTING, TemperedRewardPotential, tempered
from simulation.closed_forms import LinearReward, QuadraticReward
from tests.sampler_service.problems import MILD, SLOPE, Figures, measure, run_many, three_modes

STRONG = SamplingConfig(
    num_steps=60,
    beta=5.0,
    corrector="twisted",
    integrator="analytic",
    grid="logistic",
    beta_schedule="constant",
)
MILDER = STRONG.model_copy(update={"beta": 1.0})
GAUSSIAN = GaussianMixturePrior(torch.tensor([[0.8, -0.3]]), 0.5, torch.tensor([1.0]))


def _measure(
    reward: LinearReward | QuadraticReward, config: SamplingConfig, corrector: Twisted | None = None
) -> Figures:
    potential = tempered(reward, three_modes(), config)
    return measure(three_modes(), reward, config, num_seeds=20, potential=potential, corrector=corrector)


def _at(potential: TemperedRewardPotential, x_t: torch.Tensor, t: float) -> torch.Tensor:
    times = torch.full((len(x_t),), t)
    return potential.value(x_t, times, GAUSSIAN.denoise(x_t, times))


@pytest.mark.parametrize("t", [0.05, 0.3, 0.6, 0.95])
def test_for_a_gaussian_prior_and_curvature_one_it_is_the_optimal_twist(t: float) -> None:
    potential = tempered(MILD, GAUSSIAN, STRONG)
    x_t = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    times = torch.full((50,), t)
    a, s = GAUSSIAN.schedule.scale(times), GAUSSIAN.schedule.std(times)
    posterior = float((0.5 * s**2 / (0.5 * a**2 + s**2))[0])

    exact = 5.0 * MILD(GAUSSIAN.denoise(x_t, times).x_0_hat) / (1.0 + 5.0 * posterior)

    difference = 5.0 * _at(potential, x_t, t) - exact
    # But for a constant; the prior's table of the variance is an estimate from draws.
    assert float(difference.std()) < 0.05 * float(exact.std())


def test_a_gaussian_prior_leaves_the_weights_nearly_equal() -> None:
    populations = run_many(GAUSSIAN, tempered(MILD, GAUSSIAN, STRONG), STRONG, 500, 4)

    assert min(min(p.ess_history) for p in populations) > 0.9 * 500
    linear = STRONG.model_copy(update={"beta_schedule": "linear"})
    assert min(min(p.ess_history) for p in run_many(GAUSSIAN, MILD, linear, 500, 4)) < 0.8 * 500


@pytest.mark.parametrize("t_end", [1e-3, 0.3])
def test_at_the_end_it_is_the_reward_of_the_denoised_estimate(t_end: float) -> None:
    potential = tempered(MILD, GAUSSIAN, STRONG.model_copy(update={"t_end": t_end}))
    x_t = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))

    expected = MILD(GAUSSIAN.denoise(x_t, torch.full((20,), t_end)).x_0_hat)

    assert torch.allclose(_at(potential, x_t, t_end), expected, rtol=1e-4, atol=1e-5)


def test_far_in_the_noise_the_denoiser_is_not_asked() -> None:
    potential = tempered(MILD, GAUSSIAN, STRONG)
    x_t = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    t = torch.full((20,), 0.95)
    assert (GAUSSIAN.schedule.log_snr(t) < PARTING[0]).all()

    wrong = Denoised(torch.full((20, 2), 1e3), x_t.new_zeros(20, 0))

    assert torch.equal(potential.value(x_t, t, wrong), _at(potential, x_t, 0.95))


@pytest.mark.parametrize("reward", [MILD, SLOPE])
def test_the_modes_of_a_strong_reward_are_met(reward: LinearReward | QuadraticReward) -> None:
    assert _measure(reward, STRONG.model_copy(update={"num_steps": 100})).passes


def test_it_strays_less_than_the_reward_read_at_the_denoised_estimate() -> None:
    plain = SamplingConfig(num_steps=60, beta=5.0, corrector="twisted", integrator="analytic")

    figures = measure(three_modes(), MILD, plain, num_seeds=20)

    assert _measure(MILD, STRONG).total_variation < 0.8 * figures.total_variation


@pytest.mark.parametrize("corrector", ["twisted", "fkc"])
def test_every_exact_corrector_stays_exact(corrector: CorrectorName) -> None:
    assert _measure(MILD, MILDER.model_copy(update={"corrector": corrector, "num_steps": 100})).passes


@pytest.mark.parametrize("term", [0, 1, 2])
@pytest.mark.parametrize("factor", [-1.0, 0.0])
def test_a_term_flipped_or_left_out_trips_the_gate(term: int, factor: float) -> None:
    signs = (factor if term == 0 else 1.0, factor if term == 1 else 1.0, factor if term == 2 else 1.0)

    assert not _measure(MILD, MILDER, Twisted(signs)).passes


def test_a_wrong_reading_of_the_reward_at_the_end_trips_the_gate() -> None:
    wrong = RewardPotential(QuadraticReward(-MILD.centre))

    assert not measure(three_modes(), MILD, MILDER, potential=wrong).passes


def test_a_prior_that_does_not_know_its_variance_is_refused() -> None:
    class Unmeasured(GaussianMixturePrior):
        @property
        def posterior_variance(self) -> PosteriorVariance | None:  # type: ignore[override]
            return None

    prior = Unmeasured(torch.zeros(1, 2), 1.0, torch.tensor([1.0]))

    with pytest.raises(FailedPrecondition, match="posterior variance"):
        tempered(MILD, prior, STRONG)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"beta_schedule": "linear"}, "sampling.beta_schedule"),
        ({"beta": 4.0}, "sampling.beta"),
        ({"t_end": 0.01}, "sampling.t_end"),
    ],
)
def test_a_run_that_it_was_not_tempered_for_is_refused(changes: dict[str, object], field: str) -> None:
    potential = tempered(MILD, GAUSSIAN, STRONG)
    with pytest.raises(InvalidArgument) as found:
        sample(GAUSSIAN, potential, STRONG.model_copy(update=changes), num_particles=4)
    assert found.value.field == field


def test_a_config_that_tempers_too_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="does not fit"):
        tempered(MILD, GAUSSIAN, STRONG.model_copy(update={"beta_schedule": "linear"}))
