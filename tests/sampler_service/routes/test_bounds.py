"""Tangents bound log Z from both sides; with a wrong formula, or more trust in few draws, they do not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sampler_service.routes import bounds
from sampler_service.routes.bounds import Mean, lower_end, trusted_share, upper_end

Z = 1.96
NUM_SEEDS = 100
LEAST_COVERED = 93
"""Of 100 ends of 97.5%: fewer come by chance in 1 of 100."""
SPREADS = (1.0, 2.0, 3.0, 4.5)


def _normal(spread: float, seed: int, num: int = 4096) -> Tensor:
    """Draws u ~ N(0, spread^2): L(s) = s^2 spread^2 / 2, and the target's u ~ N(spread^2, spread^2)."""
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(num, generator=generator, dtype=torch.float64)


def _mean(particles: Tensor) -> Mean:
    return Mean(float(particles.mean()), float(particles.std()) / math.sqrt(len(particles)))


def _particles(spread: float, seed: int) -> Mean:
    """Of 16 independent ones."""
    return _mean(spread**2 + _normal(spread, seed + 1000, 16))


@pytest.mark.parametrize("spread", SPREADS)
def test_both_ends_hold_as_often_as_they_say(spread: float) -> None:
    truth = 0.5 * spread**2

    lower = [lower_end(_normal(spread, seed), Z) for seed in range(NUM_SEEDS)]
    upper = [upper_end(_normal(spread, seed), _particles(spread, seed), Z) for seed in range(NUM_SEEDS)]

    assert sum(end <= truth for end in lower) >= LEAST_COVERED
    assert sum(end >= truth for end in upper) >= LEAST_COVERED


@pytest.mark.parametrize("shape", [1.0, 4.0])
def test_the_upper_end_holds_where_rewards_have_no_bound_and_the_weights_no_variance(shape: float) -> None:
    """u ~ 0.9 Gamma(shape): E[exp(2 u)] is infinite, and L(s) = -shape log(1 - 0.9 s)."""
    truth, scale = -shape * math.log1p(-0.9), 0.9
    held = 0
    for seed in range(NUM_SEEDS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            gamma = torch.distributions.Gamma(torch.tensor(shape, dtype=torch.float64), 1.0)
            draws, particles = scale * gamma.sample((4096,)), scale / (1.0 - scale) * gamma.sample((16,))
        held += upper_end(draws, _mean(particles), Z) >= truth

    assert held >= LEAST_COVERED


def test_by_the_effective_sample_size_alone_the_upper_end_would_not_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At spread 2.1 draws of this number have an ESS of about 50 for the whole target."""
    monkeypatch.setattr(bounds, "HEAVIEST_TAIL", math.inf)
    monkeypatch.setattr(bounds, "UNSEEN", 0.0)

    upper = [upper_end(_normal(2.1, seed), _particles(2.1, seed), Z) for seed in range(NUM_SEEDS)]

    assert sum(end >= 0.5 * 2.1**2 for end in upper) < LEAST_COVERED


def test_wrong_formulas_do_not_hold() -> None:
    spread = 3.0
    truth, right, wrong = 0.5 * spread**2, 0, {"without L(s)": 0, "the lower tangent": 0}
    for seed in range(NUM_SEEDS):
        u, mean = _normal(spread, seed), _particles(spread, seed)
        share = trusted_share(u)
        right += upper_end(u, mean, Z) >= truth
        wrong["without L(s)"] += (1.0 - share) * mean.value + Z * (1.0 - share) * mean.error >= truth
        wrong["the lower tangent"] += upper_end(u, Mean(share * spread**2, 0.0), Z) >= truth

    assert right >= LEAST_COVERED
    assert max(wrong.values()) < 80, wrong


def test_without_draws_it_is_at_most_the_mean_reward() -> None:
    assert upper_end(None, Mean(4.0, 0.5), 2.0) == pytest.approx(5.0)
    assert upper_end(_normal(1.0, 0, 20), Mean(4.0, 0.5), 2.0) == pytest.approx(5.0)


def test_draws_that_bear_the_whole_target_tell_it_whatever_the_particles_are() -> None:
    u = _normal(0.5, 0)

    assert trusted_share(u) == 1.0
    assert upper_end(u, Mean(-100.0, 0.0), Z) == upper_end(u, Mean(100.0, 50.0), Z)
    assert upper_end(u, Mean(0.0, 0.0), Z) - lower_end(u, Z) < 0.1


def test_a_reward_that_is_the_same_everywhere_is_known_exactly_from_below() -> None:
    u = torch.full((512,), 2.0, dtype=torch.float64)

    assert lower_end(u, Z) == pytest.approx(2.0)
    assert 2.0 <= upper_end(u, Mean(2.0, 0.0), Z) <= 2.02
