"""The correctors against closed-form targets: mode masses against the Monte-Carlo floor, and log Z."""

from __future__ import annotations

import pytest
import torch

from apa.records.sampling import CorrectorName, GridName, IntegratorName, SamplingConfig
from sampler_service.potential import DenoisedRewardPotential, RewardPotential
from simulation.closed_forms import LinearReward, QuadraticReward, tilted
from tests.sampler_service.problems import MILD, SLOPE, measure, three_modes, two_modes

EXACT: tuple[CorrectorName, ...] = ("fkc", "twisted")


@pytest.mark.parametrize("corrector", EXACT)
def test_a_mild_quadratic_reward_is_met_within_twice_the_monte_carlo_floor(corrector: CorrectorName) -> None:
    figures = measure(three_modes(), MILD, SamplingConfig(num_steps=100, corrector=corrector), num_seeds=50)

    assert figures.total_variation <= 2.0 * figures.floor
    assert abs(figures.log_z_error) <= 0.1


@pytest.mark.parametrize("corrector", EXACT)
@pytest.mark.parametrize(("integrator", "grid"), [("euler_maruyama", "log_snr"), ("ancestral", "uniform")])
def test_every_integrator_and_grid_passes_the_gate(
    corrector: CorrectorName, integrator: IntegratorName, grid: GridName
) -> None:
    config = SamplingConfig(num_steps=100, corrector=corrector, integrator=integrator, grid=grid)

    assert measure(three_modes(), MILD, config).passes


@pytest.mark.parametrize("corrector", EXACT)
def test_a_reward_strong_enough_to_resample_is_still_met(corrector: CorrectorName) -> None:
    config = SamplingConfig(num_steps=100, beta=2.0, corrector=corrector, ess_threshold=0.7)

    figures = measure(three_modes(), SLOPE, config)

    assert figures.min_ess_ratio < 0.7
    assert all(p.num_resamplings > 0 for p in figures.populations)
    assert figures.passes


def test_a_reward_so_strong_that_the_ess_falls_below_half_is_still_met() -> None:
    figures = measure(three_modes(), SLOPE, SamplingConfig(num_steps=100, beta=2.0), num_seeds=20)

    assert figures.min_ess_ratio < 0.5
    assert min(p.unique_ancestors for p in figures.populations) < 1000
    assert figures.passes


def test_a_plain_reward_read_on_noisy_particles_is_exact_for_twisted_too() -> None:
    config = SamplingConfig(num_steps=100, beta=0.5, corrector="twisted")

    assert measure(three_modes(), MILD, config, potential=RewardPotential(MILD), num_seeds=20).passes


@pytest.mark.parametrize("corrector", EXACT)
def test_a_potential_that_depends_on_t_leaves_the_target_alone(corrector: CorrectorName) -> None:
    config = SamplingConfig(num_steps=100, corrector=corrector)

    assert measure(three_modes(), MILD, config, potential=DenoisedRewardPotential(MILD)).passes


@pytest.mark.parametrize("corrector", EXACT)
@pytest.mark.parametrize(("num_particles", "num_seeds"), [(16, 100), (64, 50)])
def test_small_populations_are_no_further_from_the_target_than_their_floor_allows(
    corrector: CorrectorName, num_particles: int, num_seeds: int
) -> None:
    config = SamplingConfig(num_steps=50, corrector=corrector)

    assert measure(three_modes(), MILD, config, num_particles, num_seeds).passes


@pytest.mark.parametrize("corrector", EXACT)
def test_sixty_four_dimensions_pass_the_gate(corrector: CorrectorName) -> None:
    slope = torch.zeros(64)
    slope[0] = 1.0
    config = SamplingConfig(num_steps=50, corrector=corrector)

    assert measure(two_modes(64), LinearReward(slope), config, num_seeds=6).passes


def test_the_analytic_variance_removes_most_of_the_bias_of_log_z_at_few_steps() -> None:
    slope = torch.zeros(16)
    # Across the line between the modes, where the variance is near its average over the coordinates.
    slope[1] = 1.0
    errors = {}
    for integrator in ("ancestral", "analytic"):
        config = SamplingConfig(num_steps=25, beta=3.0, corrector="twisted", integrator=integrator)
        errors[integrator] = measure(two_modes(16), LinearReward(slope), config, num_seeds=10).log_z_error

    assert abs(errors["ancestral"]) > 0.2
    assert abs(errors["analytic"]) < 0.05


def test_halving_the_step_halves_the_bias_of_fkc() -> None:
    errors = [
        measure(three_modes(), MILD, SamplingConfig(num_steps=n, beta=5.0)).log_z_error for n in (25, 50, 100)
    ]

    assert abs(errors[1]) < 0.6 * abs(errors[0])
    assert abs(errors[2]) < 0.6 * abs(errors[1])


def test_the_kl_to_the_prior_is_the_mean_reward_less_log_z() -> None:
    target = tilted(three_modes(), MILD, 1.0)
    figures = measure(three_modes(), MILD, SamplingConfig())

    exact = target.mean_reward(MILD) - target.log_z
    kl = [p.kl_to_prior for p in figures.populations if p.kl_to_prior is not None]
    assert sum(kl) / len(kl) == pytest.approx(exact, abs=0.05)


def test_the_prior_itself_has_its_own_masses_equal_weights_and_no_log_z() -> None:
    prior = three_modes()
    unsteered = QuadraticReward(torch.zeros(2))

    figures = measure(prior, unsteered, SamplingConfig(beta=0.0, corrector="none"))

    assert figures.total_variation <= 2.0 * figures.floor
    for population in figures.populations:
        assert population.log_z is None
        assert population.kl_to_prior is None
        assert not population.log_weights.any()
        assert population.ess_history == pytest.approx([1000.0] * 100)
