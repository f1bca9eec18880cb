"""Intervals of log Z hold the truth as often as they say, and what particles have missed is said."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from apa.records.sampling import SamplingConfig
from sampler_service import Population, sample
from sampler_service.routes import Outlook, StoredPool, certify, take
from sampler_service.routes.certificate import effective_ancestors
from simulation.closed_forms import QuadraticReward
from tests.sampler_service.problems import run_many, three_modes

PRIOR = three_modes()
REWARD = QuadraticReward(torch.tensor([0.7, 0.7]))
CONFIG = SamplingConfig(num_steps=25, corrector="twisted", integrator="ancestral", t_start=0.999)
NUM_RUNS = 100
LEAST_COVERED = 88
"""Of 100 intervals of 95%: fewer come by chance in 3 of 1,000."""


def _config(beta: float) -> SamplingConfig:
    return CONFIG.model_copy(update={"beta": beta})


@cache
def _draws() -> Tensor:
    """(200,000, 2), the prior's draws by the runs' own steps: q of the truth."""
    return sample(PRIOR, None, CONFIG.model_copy(update={"seed": 1}), num_particles=200_000).x


@cache
def _rewards() -> Tensor:
    """(200,000,), r of these, read as a run reads it."""
    x = _draws()
    t = torch.full((len(x),), CONFIG.t_end)
    return REWARD(PRIOR.denoise(x, t).x_0_hat).double()


def _truth(beta: float) -> float:
    tilt = beta * _rewards()
    return float(torch.logsumexp(tilt, dim=0)) - math.log(len(tilt))


@cache
def _runs(beta: float) -> list[Population]:
    return run_many(PRIOR, REWARD, _config(beta), 32, NUM_RUNS)


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


def test_a_run_that_had_to_resample_is_bounded_from_above_by_its_mean_reward() -> None:
    resampled = [run for run in _runs(4.0) if run.num_resamplings]

    certificates = [certify(run, 8) for run in resampled]

    found = [one for one in certificates if one is not None]
    assert len(found) == len(resampled) > 50
    assert all(one.lower <= one.log_z <= one.upper < math.inf for one in found)
    assert sum(one.lower <= _truth(4.0) <= one.upper for one in found) >= 0.88 * len(found)


def test_a_run_that_does_not_say_what_its_particles_are_worth_has_no_upper_end() -> None:
    resampled = next(run for run in _runs(4.0) if run.num_resamplings)

    certificate = certify(replace(resampled, tilt=None), 8)

    assert certificate is not None
    assert certificate.upper == math.inf


def _some_draws(seed: int) -> Tensor:
    """(256,), rows of the prior's draws: too few for a strong reward."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(len(_draws()), (256,), generator=generator)


@pytest.mark.parametrize("beta", [4.0, 12.0])
def test_few_stored_draws_and_a_steered_run_bound_it_together(beta: float) -> None:
    outlooks = [Outlook(_rewards()[_some_draws(seed)], beta) for seed in range(NUM_RUNS)]

    found = [certify(run, 8, each) for run, each in zip(_runs(beta), outlooks, strict=True)]

    held = [one for one in found if one is not None and one.lower <= _truth(beta) <= one.upper]
    assert len(held) >= LEAST_COVERED
    assert all(one is not None and one.lower <= one.log_z <= one.upper < math.inf for one in found)


def test_a_run_from_few_stored_draws_is_bounded_too() -> None:
    """40 intervals of 95%: fewer than 34 hold by chance in 3 of 1,000."""
    held = 0
    for seed in range(40):
        rows, config = _some_draws(seed), _config(12.0).model_copy(update={"seed": seed})
        pool = StoredPool(_draws()[rows], PRIOR.content_hash, seed)
        outlook = Outlook(_rewards()[rows], 12.0)
        taken = take(PRIOR, REWARD, config, pool, num_particles=32, route="pool_start", outlook=outlook)
        certificate = taken.certificate(8)
        assert certificate is not None
        assert certificate.kl_to_prior >= 0.0
        held += certificate.lower <= _truth(12.0) <= certificate.upper

    assert held >= 34


def test_particles_that_missed_what_stored_draws_hold_are_told_apart() -> None:
    """The particles stayed where the prior is: their upper end is below what the draws say from below."""
    u = 3.0 * torch.randn(4096, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    stayed = replace(
        _runs(4.0)[0],
        log_weights=torch.zeros(32, dtype=torch.float64),
        tilt=torch.linspace(-0.1, 0.1, 32, dtype=torch.float64),
        log_z=0.0,
        kl_to_prior=0.0,
    )
    outlook = Outlook(u, 1.0)

    certificate = certify(stayed, 1, outlook)

    assert certificate is not None
    assert certificate.ancestors > 1.0
    assert not certificate.adequate
    assert certificate.upper == math.inf
    assert certificate.lower <= outlook.log_z


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
