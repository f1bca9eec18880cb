"""Intervals of log Z hold the truth as often as they say, and end nowhere where nothing is known."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Tensor

from apa.records.sampling import SamplingConfig
from sampler_service import Population, sample
from sampler_service.routes import Outlook, certify
from sampler_service.routes.certificate import effective_ancestors
from simulation.closed_forms import QuadraticReward
from tests.sampler_service.problems import run_many, three_modes

PRIOR = three_modes()
REWARD = QuadraticReward(torch.tensor([0.7, 0.7]))
CONFIG = SamplingConfig(num_steps=25, corrector="twisted", integrator="ancestral", t_start=0.999)
NUM_RUNS = 100
LEAST_COVERED = 88
"""Of 100 intervals of 95%: fewer come by chance in 3 of 1,000."""


@cache
def _rewards() -> Tensor:
    """(200,000,), r of the prior's draws by the runs' own steps, read as a run reads it: q of the truth."""
    x = sample(PRIOR, None, CONFIG.model_copy(update={"seed": 1}), num_particles=200_000).x
    t = torch.full((len(x),), CONFIG.t_end)
    return REWARD(PRIOR.denoise(x, t).x_0_hat).double()


def _truth(beta: float) -> float:
    tilt = beta * _rewards()
    return float(torch.logsumexp(tilt, dim=0)) - math.log(len(tilt))


@cache
def _runs(beta: float) -> list[Population]:
    return run_many(PRIOR, REWARD, CONFIG.model_copy(update={"beta": beta}), 32, NUM_RUNS)


@pytest.mark.parametrize("beta", [0.5, 2.0, 4.0])
def test_a_run_alone_covers_the_truth(beta: float) -> None:
    certificates = [certify(run, 8) for run in _runs(beta)]

    covered = [one for one in certificates if one is not None and one.lower <= _truth(beta) <= one.upper]

    assert len(covered) >= LEAST_COVERED


@pytest.mark.parametrize("beta", [0.5, 2.0, 6.0])
def test_stored_draws_cover_the_truth_and_bound_it_from_above(beta: float) -> None:
    generator = torch.Generator().manual_seed(0)
    rewards = _rewards()
    certificates = []
    for run in _runs(beta):
        stored = rewards[torch.randint(len(rewards), (2048,), generator=generator)]
        certificates.append(certify(run, 8, Outlook(stored, beta)))

    found = [one for one in certificates if one is not None]

    assert all(one.upper - one.lower < 0.5 for one in found)
    assert sum(one.lower <= _truth(beta) <= one.upper for one in found) >= LEAST_COVERED


def test_a_run_that_had_to_resample_is_bounded_from_below_only() -> None:
    resampled = [run for run in _runs(4.0) if run.num_resamplings]

    certificates = [certify(run, 8) for run in resampled]

    assert len(resampled) > 50
    assert all(one is not None and one.upper == math.inf for one in certificates)


def test_stored_draws_that_hold_nothing_of_the_target_do_not_stand_for_it() -> None:
    (run, *_) = _runs(4.0)
    lonely = Outlook(torch.tensor([0.0] * 500 + [10.0], dtype=torch.float64), beta=4.0)

    assert lonely.ess < 2.0
    assert certify(run, 8, lonely) == certify(run, 8)


def test_a_corrector_without_log_z_has_no_certificate() -> None:
    config = CONFIG.model_copy(update={"corrector": "guidance", "seed": 0})

    assert certify(sample(PRIOR, REWARD, config, num_particles=8), 8) is None


def test_particles_of_fewer_ancestors_than_are_to_be_shown_are_not_adequate() -> None:
    weights = torch.full((4,), 0.25, dtype=torch.float64)
    assert effective_ancestors(weights, torch.tensor([3, 3, 3, 3])) == pytest.approx(1.0)
    assert effective_ancestors(weights, torch.tensor([0, 1, 2, 3])) == pytest.approx(4.0)

    run = _runs(0.5)[0]
    few, many = certify(run, 8), certify(run, 33)
    assert few is not None
    assert few.adequate
    assert many is not None
    assert not many.adequate
