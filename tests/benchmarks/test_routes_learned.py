"""Places on learned priors: as rare as they say, and judged by what is shown."""

from __future__ import annotations

import math

import pytest
import torch

from apa.records.sampling import SamplingConfig
from benchmarks.routes.films import Exhaustive
from benchmarks.routes.learned import LearnedPlace, beta_of, measure_learned
from sampler_service.population import Population
from sampler_service.potential import DenoisedRewardPotential
from sampler_service.routes import Outlook, Target, draw_by, draw_pool, handed_back
from simulation.closed_forms import LinearReward, tilted
from tests.sampler_service.problems import three_modes

PRIOR = three_modes()
REWARD = LinearReward(torch.tensor([1.0, 0.0]))
BETA = 1.0
CONFIG = SamplingConfig(
    num_steps=15, beta=BETA, corrector="twisted", integrator="analytic", t_start=1.0, seed=0
)


def _place(reference_ess: float | None) -> LearnedPlace:
    pool = draw_pool(PRIOR, 512, CONFIG)
    outlook = Outlook(REWARD(pool.x).double(), BETA)
    return LearnedPlace(
        prior_name="mixture",
        rarity=0.1,
        target=Target(PRIOR, DenoisedRewardPotential(REWARD), CONFIG, pool, outlook),
        reading_s=5.0,
        judge=lambda x: REWARD(x).double(),
        before=tilted(PRIOR, REWARD, 0.0).mean_reward(REWARD),
        after=tilted(PRIOR, REWARD, BETA).mean_reward(REWARD),
        reference_ess=reference_ess,
        num_particles=64,
    )


def nothing_new(target: Target, num_particles: int, generator: torch.Generator) -> Population:
    return handed_back(PRIOR.sample(num_particles, generator))


def test_every_route_gains_the_target_and_a_sampler_of_the_prior_nothing() -> None:
    cell = measure_learned(_place(None), 10, {"nothing_new": nothing_new})

    assert cell.gains["nothing_new"] == pytest.approx(0.0, abs=0.15)
    for route in ("rank", "pool_start", "steer"):
        assert cell.gains[route] == pytest.approx(1.0, abs=0.15)
    assert cell.chosen == {"rank": 10}
    assert cell.exact


def test_reading_stored_draws_costs_those_who_read_them() -> None:
    cell = measure_learned(_place(None), 1, {})

    assert min(cell.seconds["rank"], cell.seconds["pool_start"]) > 5.0 > cell.seconds["steer"]


def test_where_the_reference_holds_too_little_the_best_route_takes_its_place() -> None:
    cell = measure_learned(_place(4.0), 2, {})

    assert not cell.exact
    assert max(cell.gains[route] for route in ("rank", "pool_start", "steer")) == pytest.approx(1.0)


@pytest.mark.parametrize("rarity", [1e-1, 1e-2])
def test_beta_makes_equally_likely_draws_as_rare_as_wanted(rarity: float) -> None:
    reward = torch.randn(2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    weights = torch.softmax(beta_of(reward, rarity) * reward, dim=0)

    entropy = -float((weights * weights.log()).sum())
    assert math.exp(entropy) / len(reward) == pytest.approx(rarity, rel=1e-6)


def test_exhaustive_scoring_draws_items_by_their_tilted_mass() -> None:
    """Systematic resampling: the counts of 1,000 are within one of what they should be."""
    vectors = torch.tensor([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]])

    scored = Exhaustive(vectors, lambda items: items[:, 0].double())

    found = draw_by(scored, _place(None).target, 1_000, seed=0)

    counts = torch.bincount(found.x[:, 0].long())
    expected = 1_000 * torch.softmax(BETA * vectors[:, 0], dim=0)
    assert counts.tolist() == pytest.approx(expected.tolist(), abs=1.0)
