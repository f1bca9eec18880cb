"""Runs that begin at stored draws: the target stays exact, whatever the draws were chosen by."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from apa.errors import InvalidArgument
from apa.records.sampling import CorrectorName, SamplingConfig
from sampler_service import Population, sample
from sampler_service.start import Start, ess_of, largest_share, start_from
from simulation.closed_forms import tilted
from tests.sampler_service.problems import MILD, three_modes

PRIOR = three_modes()
NUM_STORED = 4096
NUM_PARTICLES = 500
NUM_SEEDS = 20
CONFIG = SamplingConfig(num_steps=40, t_start=0.15)


def _start(beta: float, seed: int, num_particles: int = NUM_PARTICLES, misled: float = 0.0) -> Start:
    generator = torch.Generator().manual_seed(seed)
    stored = PRIOR.sample(NUM_STORED, generator)
    worth = MILD(stored) + misled * stored[:, 0]
    return start_from(stored, worth, beta, num_particles, generator)


def _run(corrector: CorrectorName, beta: float, start: Start, seed: int) -> Population:
    integrator = "ancestral" if corrector == "twisted" else "euler_maruyama"
    changes = {"corrector": corrector, "integrator": integrator, "beta": beta, "seed": seed}
    config = CONFIG.model_copy(update=changes)
    return sample(PRIOR, MILD, config, num_particles=len(start.x_0), start=start)


def _figures(populations: list[Population], beta: float) -> tuple[float, float, float]:
    """Total variation of the pooled mode masses, that of as many exact draws, and the error of log Z."""
    target = tilted(PRIOR, MILD, beta)
    masses = torch.stack([p.weights @ target.responsibilities(p.x) for p in populations]).mean(dim=0)
    log_z = [p.log_z for p in populations if p.log_z is not None]
    floor = target.floor(NUM_PARTICLES * NUM_SEEDS, num_seeds=100)
    return 0.5 * float((masses - target.masses).abs().sum()), floor, sum(log_z) / NUM_SEEDS - target.log_z


@pytest.mark.parametrize("corrector", ["fkc", "twisted"])
@pytest.mark.parametrize("misled", [0.0, 0.5])
def test_a_run_from_stored_draws_meets_the_target_whatever_they_were_chosen_by(
    corrector: CorrectorName, misled: float
) -> None:
    populations = [_run(corrector, 1.0, _start(1.0, seed, misled=misled), seed) for seed in range(NUM_SEEDS)]

    variation, floor, log_z_error = _figures(populations, 1.0)

    assert variation <= 3.0 * floor
    assert abs(log_z_error) <= 0.03


@pytest.mark.parametrize("corrector", ["fkc", "twisted"])
@pytest.mark.parametrize("sign", [0.0, -1.0])
def test_a_start_that_is_not_taken_off_the_weights_or_added_to_them_trips_the_gate(
    corrector: CorrectorName, sign: float
) -> None:
    starts = [_start(1.0, seed) for seed in range(NUM_SEEDS)]
    wrong = [replace(start, tilt=sign * start.tilt) for start in starts]

    variation, floor, log_z_error = _figures(
        [_run(corrector, 1.0, start, seed) for seed, start in enumerate(wrong)], 1.0
    )

    assert variation > 3.0 * floor
    assert abs(log_z_error) > 0.03


@pytest.mark.parametrize("corrector", ["fkc", "twisted"])
def test_a_target_that_few_draws_hold_is_entered_by_as_much_of_beta_as_they_bear(
    corrector: CorrectorName,
) -> None:
    beta = 10.0
    starts = [_start(beta, seed) for seed in range(NUM_SEEDS)]
    populations = [_run(corrector, beta, start, seed) for seed, start in enumerate(starts)]

    *_, log_z_error = _figures(populations, beta)

    assert all(0.5 < start.share < 1.0 for start in starts)
    assert all(population.num_resamplings > 0 for population in populations)
    assert abs(log_z_error) <= 0.2


def test_small_runs_estimate_z_without_bias() -> None:
    exact = tilted(PRIOR, MILD, 1.0).log_z

    runs = [_run("twisted", 1.0, _start(1.0, seed, num_particles=16), seed) for seed in range(200)]
    ratios = torch.tensor([math.exp(run.log_z - exact) for run in runs if run.log_z is not None])

    assert len(ratios) == 200
    assert abs(float(ratios.mean()) - 1.0) <= 0.02 + 3.0 * float(ratios.std()) / 200**0.5


def test_particles_descend_from_the_draws_that_they_began_at() -> None:
    start = _start(1.0, seed=0)

    population = _run("twisted", 1.0, start, seed=0)

    assert set(population.ancestors.tolist()) <= set(start.rows.tolist())
    assert population.unique_ancestors <= len(torch.unique(start.rows))


def test_the_same_seed_and_start_give_the_same_run() -> None:
    start = _start(4.0, seed=3)

    first, second = _run("twisted", 4.0, start, seed=7), _run("twisted", 4.0, start, seed=7)

    assert torch.equal(first.x, second.x)
    assert first.log_z == second.log_z


@pytest.mark.parametrize(
    ("config", "num_particles"),
    [
        (CONFIG, NUM_PARTICLES - 1),
        (CONFIG.model_copy(update={"corrector": "guidance"}), NUM_PARTICLES),
        (CONFIG.model_copy(update={"corrector": "none"}), NUM_PARTICLES),
    ],
)
def test_a_start_that_does_not_fit_the_run_is_refused(config: SamplingConfig, num_particles: int) -> None:
    with pytest.raises(InvalidArgument) as caught:
        sample(PRIOR, MILD, config, num_particles=num_particles, start=_start(1.0, seed=0))

    assert caught.value.field == "start"


@given(
    tilt=st.lists(st.floats(-50.0, 50.0), min_size=2, max_size=40),
    least=st.integers(min_value=1, max_value=40),
)
def test_the_share_leaves_the_ess_asked_for_and_no_more_than_it_has_to(tilt: list[float], least: int) -> None:
    log_weights = torch.tensor(tilt, dtype=torch.float64)
    least = min(least, len(tilt))

    share = largest_share(log_weights, least)

    assert 0.0 <= share <= 1.0
    assert ess_of(share * log_weights) >= least - 1e-6
    assert share == 1.0 or ess_of(min(1.0, share + 1e-3) * log_weights) <= least + 0.1


def test_draws_are_taken_in_proportion_to_their_weight() -> None:
    stored = torch.arange(4.0)[:, None]
    worth = torch.tensor([0.0, 0.0, 0.0, math.log(5.0)])
    generator = torch.Generator().manual_seed(0)

    counts = torch.zeros(4)
    for _ in range(500):
        start = start_from(stored, worth, 1.0, 2, generator)
        assert start.share == 1.0
        assert start.log_z == pytest.approx(math.log(2.0))
        counts += torch.bincount(start.rows, minlength=4)

    assert counts / 1000 == pytest.approx([0.125, 0.125, 0.125, 0.625], abs=0.05)
