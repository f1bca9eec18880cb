"""Every route leads to the same law where it is adequate; a named one is obeyed, and a stale pool refused."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from apa.errors import FailedPrecondition, InvalidArgument
from apa.records.sampling import RouteName, SamplingConfig
from sampler_service.potential import RewardPotential
from sampler_service.routes import StoredPool, Taken, choose, draw_pool, look, take
from sampler_service.routes.taking import joined_late
from simulation.closed_forms import LinearReward, tilted
from tests.sampler_service.problems import MILD, three_modes, two_modes

PRIOR = three_modes()
CONFIG = SamplingConfig(
    num_steps=60, beta=1.0, corrector="twisted", integrator="ancestral", t_start=0.999, grid="logistic"
)
NUM_PARTICLES = 64
NUM_RUNS = 40
ROUTES: tuple[RouteName, ...] = ("rank", "pool_start", "steer")


@pytest.fixture(scope="module")
def pools() -> list[StoredPool]:
    """One for each run: draws that all runs shared would err alike."""
    return [draw_pool(PRIOR, 1024, CONFIG, generation=number) for number in range(NUM_RUNS)]


def _take(pool: StoredPool, route: RouteName | None = None, beta: float = 1.0) -> Taken:
    config = CONFIG.model_copy(update={"beta": beta, "seed": pool.generation})
    return take(PRIOR, MILD, config, pool, num_particles=NUM_PARTICLES, route=route)


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_leads_to_the_exact_law(pools: list[StoredPool], route: RouteName) -> None:
    target = tilted(PRIOR, MILD, 1.0)

    taken = [_take(pool, route) for pool in pools]

    masses = torch.stack(
        [each.population.weights @ target.responsibilities(each.population.x) for each in taken]
    ).mean(dim=0)
    variation = 0.5 * float((masses - target.masses).abs().sum())
    assert variation <= 3.0 * target.floor(NUM_PARTICLES * NUM_RUNS, num_seeds=100)
    log_z = [each.population.log_z for each in taken if each.population.log_z is not None]
    assert abs(sum(log_z) / NUM_RUNS - target.log_z) <= 0.05


@pytest.mark.parametrize("route", ["rank", "pool_start"])
def test_two_routes_cannot_be_told_apart_and_another_target_can(
    pools: list[StoredPool], route: RouteName
) -> None:
    """Two-sample Kolmogorov-Smirnov on one particle of each run, in each of two coordinates: 5% in all."""
    steered = _one_of_each([_take(pool, "steer") for pool in pools])
    other = _one_of_each([_take(pool, route) for pool in pools])
    elsewhere = _one_of_each([_take(pool, route, beta=8.0) for pool in pools])

    assert min(_p_values(steered, other)) > 0.025
    assert min(_p_values(steered, elsewhere)) < 0.025


def _one_of_each(taken: list[Taken]) -> torch.Tensor:
    """(NUM_RUNS, 2), drawn by weight: particles of different runs are independent."""
    generator = torch.Generator().manual_seed(0)
    rows = [
        each.population.x[torch.multinomial(each.population.weights, 1, generator=generator)]
        for each in taken
    ]
    return torch.cat(rows)


def _p_values(one: torch.Tensor, other: torch.Tensor) -> list[float]:
    columns = zip(one.T.numpy(), other.T.numpy(), strict=True)
    return [float(stats.ks_2samp(a, b).pvalue) for a, b in columns]


@pytest.mark.parametrize("route", ROUTES)
def test_a_named_route_is_obeyed(pools: list[StoredPool], route: RouteName) -> None:
    taken = _take(pools[0], route, beta=40.0)

    assert taken.choice.name == route
    assert len(taken.population.x) == NUM_PARTICLES
    num_steps = {"rank": 0, "pool_start": 24, "steer": 60}[route]
    assert len(taken.population.ess_history) == num_steps


def test_the_rarer_the_taste_the_dearer_the_route() -> None:
    prior = two_modes(16)
    slope = LinearReward(torch.ones(16))
    pool = draw_pool(prior, 1024, CONFIG)
    names = []
    for beta in (0.0, 0.5, 3.0, 100.0):
        outlook = look(prior, pool, RewardPotential(slope), beta, CONFIG.t_end)
        choice = choose(outlook, NUM_PARTICLES)
        names.append(choice.name)
        assert f"{outlook.ess:.0f} of the target" in choice.reason or choice.name != "rank"

    assert names == ["rank", "rank", "pool_start", "steer"]


def test_what_the_stored_draws_tell_is_the_closed_form() -> None:
    target = tilted(PRIOR, MILD, 1.0)
    pool = draw_pool(PRIOR, 8192, CONFIG)

    outlook = look(PRIOR, pool, RewardPotential(MILD), 1.0, CONFIG.t_end)

    assert outlook.log_z == pytest.approx(target.log_z, abs=0.05)
    assert 0.0 < outlook.kl_to_prior < 1.0
    assert 1.0 <= outlook.ess <= 8192.0


def test_the_same_prior_and_generation_give_the_same_draws_and_another_generation_others() -> None:
    first, second = draw_pool(PRIOR, 16, CONFIG), draw_pool(PRIOR, 16, CONFIG)
    other = draw_pool(PRIOR, 16, CONFIG, generation=1)

    assert torch.equal(first.x, second.x)
    assert not torch.equal(first.x, other.x)


@pytest.mark.parametrize("route", [*ROUTES, None])
def test_a_pool_of_another_prior_is_never_mixed_in(route: RouteName | None) -> None:
    stale = draw_pool(two_modes(2), 64, CONFIG)

    with pytest.raises(FailedPrecondition, match="another prior") as caught:
        take(PRIOR, MILD, CONFIG, stale, num_particles=8, route=route)

    assert caught.value.field == "pool"


def test_a_corrector_without_weights_cannot_start_from_a_pool(pools: list[StoredPool]) -> None:
    config = CONFIG.model_copy(update={"corrector": "guidance"})

    with pytest.raises(InvalidArgument):
        take(PRIOR, MILD, config, pools[0], num_particles=8, route="pool_start")


@pytest.mark.parametrize(
    ("t_start", "interval", "expected"),
    [
        (0.8, None, None),
        (0.8, (0.1, 0.5), (0.1, 0.4)),
        (0.8, (0.1, 0.3), (0.1, 0.3)),
        (0.8, (0.4, 0.6), None),
        (0.2, (0.05, 0.5), (0.05, 0.2)),
    ],
)
def test_the_rest_of_the_path_keeps_its_steps_and_its_active_interval(
    t_start: float, interval: tuple[float, float] | None, expected: tuple[float, float] | None
) -> None:
    config = CONFIG.model_copy(update={"t_start": t_start, "active_interval": interval, "num_steps": 16})

    late = joined_late(config)

    assert late.active_interval == expected
    assert late.t_start == min(0.4, t_start)
    step, before = (c.t_start / c.num_steps for c in (late, config))
    assert step <= 1.01 * before


def test_an_active_interval_is_kept_on_the_way_from_the_pool(pools: list[StoredPool]) -> None:
    config = CONFIG.model_copy(update={"active_interval": (0.05, 0.6), "seed": 1})

    log_z = [
        take(PRIOR, MILD, config, pool, num_particles=200, route="pool_start").population.log_z
        for pool in pools[:20]
    ]

    estimates = [estimate for estimate in log_z if estimate is not None]
    assert sum(estimates) / 20 == pytest.approx(tilted(PRIOR, MILD, 1.0).log_z, abs=0.1)
