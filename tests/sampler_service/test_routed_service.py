"""The three routes in the sampler's own process: obeyed, said, and never of a prior that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from apa.client import CatalogueEntry, Client, SampleResult
from apa.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from apa.local.redis_server import RedisProcess
from apa.records.history import PastSlate
from apa.records.sampling import RouteName, SamplingConfig
from apa.store.history import History
from apa.surrogates import load
from sampler_service import sample
from sampler_service.potential import SurrogatePotential
from sampler_service.routes.outlook import Outlook, reward_of
from sampler_service.routes.stored_pool import seed_of
from sampler_service.selection.ucb import FIRST_KAPPA
from sampler_service.stored_pools import CHUNK
from tests.sampler_service.service_process import RunningSampler, running_sampler
from tests.sampler_service.shop import NUM_ITEMS, vectors_of, write_shop
from tests.trainer_worker.world import TrainerWorld, write_prior
from tests.waiting import wait_until

POOL = {"APA_SAMPLER_POOL_SIZE": "512"}
N, STEPS = 16, 8


@pytest.fixture(scope="module")
def sampler(redis_server: RedisProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSampler]:
    folder = tmp_path_factory.mktemp("routed")
    write_prior(folder / "priors" / "toy")
    write_shop(folder / "priors" / "shop")
    with running_sampler(folder, redis_server.url, folder / "priors", **POOL) as running:
        yield running


@pytest.fixture
def client(sampler: RunningSampler, redis_client: redis.Redis) -> Iterator[Client]:
    with sampler.client() as connected:
        yield connected


@pytest.fixture
def world(redis_client: redis.Redis, tmp_path: Path) -> TrainerWorld:
    write_shop(tmp_path / "shop")
    return TrainerWorld(redis_client, tmp_path)


def fitted(world: TrainerWorld, session_id: str = "s1", **config: object) -> str:
    session = world.session(session_id, **{"num_particles": N, "budget": 400} | config)
    world.answer(session)
    world.refit(session)
    return session


def run(client: Client, session: str, route: str, request_id: str | None = None, **more: Any) -> SampleResult:
    """Until the pool is there, the client waits and tries again."""
    sampling = {"route": route, "seed": 4} | more.pop("sampling", {})
    return client.sample(session, sampling=sampling, request_id=request_id, **more)


def stored_names(world: TrainerWorld, session: str, slate_id: str) -> list[str]:
    items = world.stores.slates.slate(session, slate_id).items
    assert all(item.item_id is None for item in items), "no catalogue's item"
    return [item.stored_draw for item in items if item.stored_draw is not None]


@pytest.mark.parametrize(
    ("route", "evaluations"), [("rank", 0), ("pool_start", N * (4 + 1)), ("steer", N * (STEPS + 1))]
)
def test_a_named_route_is_obeyed_and_said(
    client: Client, world: TrainerWorld, sampler: RunningSampler, route: RouteName, evaluations: int
) -> None:
    session = fitted(world)
    counted = f'apa_runs_by_route_total{{route="{route}"}}'
    before = sampler.measured(counted)

    result = run(client, session, route, include_particles=True)

    assert (result.started.route, result.started.route_reason) == (route, "named by the caller")
    assert result.started.sampling.route == route
    assert result.finished.denoiser_evaluations == evaluations
    assert len(result.finished.ess_history) == evaluations // N - (route != "rank")
    assert result.finished.log_z is not None
    assert result.finished.kl_to_prior is not None
    assert len(result.slate.items) == 8
    assert result.particles is not None
    assert len(result.particles.x) == N
    assert sampler.measured(counted) == before + 1
    again = run(client, session, route, include_particles=True).particles
    assert again is not None
    np.testing.assert_array_equal(again.x, result.particles.x)


@pytest.mark.parametrize("route", ["rank", "pool_start", "steer"])
def test_a_certificate_holds_the_true_log_z_of_the_sessions_own_surrogate(
    client: Client, world: TrainerWorld, sampler: RunningSampler, route: RouteName
) -> None:
    session = fitted(world)
    counted = f'apa_runs_inadequate_total{{route="{route}"}}'
    before = sampler.measured(counted)

    result = run(client, session, route)

    certificate, beta = result.finished.certificate, result.started.sampling.beta
    assert certificate is not None
    assert beta is not None
    assert certificate.log_z_upper is not None
    assert certificate.log_z_lower <= certificate.log_z <= certificate.log_z_upper
    assert certificate.log_z_lower <= true_log_z(world, session, beta) <= certificate.log_z_upper
    assert sampler.measured(counted) - before == (not certificate.adequate)


def true_log_z(world: TrainerWorld, session: str, beta: float) -> float:
    """By 20,000 draws of the prior, by the service's own steps."""
    prior, current = write_prior(world.priors / "toy"), world.stores.surrogates.current(session)
    assert current is not None
    potential = SurrogatePotential(load(world.stores.surrogates.blob(session, current.version)))
    config = SamplingConfig(num_steps=STEPS, corrector="none", integrator="ancestral", t_start=0.8, seed=0)
    x = sample(prior, None, config, num_particles=20_000).x
    return Outlook(reward_of(prior, potential, x, config.t_end), beta).log_z


def test_an_unsteered_run_and_a_replayed_slate_have_no_certificate(
    client: Client, world: TrainerWorld
) -> None:
    session = fitted(world)

    steered, again = run(client, session, "steer", "r"), run(client, session, "steer", "r")

    assert steered.finished.certificate is not None
    assert again.finished.certificate is None
    assert client.sample(prior="toy", num_particles=4).finished.certificate is None
    assert run(client, session, "steer", sampling={"corrector": "guidance"}).finished.certificate is None


def test_a_session_names_a_route_too_and_a_call_overrules_it(client: Client, world: TrainerWorld) -> None:
    session = fitted(world, sampling={"route": "rank"})

    own, overruled = client.sample(session).started, run(client, session, "steer").started

    assert (own.route, own.route_reason) == ("rank", "named by the session")
    assert (overruled.route, overruled.route_reason) == ("steer", "named by the caller")


@pytest.mark.parametrize("surrogate", ["gp", "linear"])
def test_ranked_slates_are_of_stored_draws_and_none_comes_twice(
    client: Client, world: TrainerWorld, surrogate: str
) -> None:
    session = fitted(world, surrogate=surrogate)
    draws = np.concatenate([chunk(world, number) for number in range(2)])
    seen: list[str] = []
    for _ in range(3):
        slate = run(client, session, "rank").slate
        names = stored_names(world, session, slate.slate_id)
        rows = [int(name.rsplit("-", 1)[1]) for name in names]
        assert [item.population_index for item in slate.items] == rows
        assert [item.stored_draw for item in slate.items] == names
        np.testing.assert_allclose([item.x for item in slate.items], draws[rows], atol=1e-3)
        assert all(item.predicted_std > 0.0 and item.item is None for item in slate.items)
        seen += names

    assert len(seen) == len(set(seen)) == 24


def chunk(world: TrainerWorld, number: int) -> Any:
    """What every process draws of this prior, by the service's own settings."""
    prior = write_prior(world.priors / "toy")
    config = SamplingConfig(
        num_steps=STEPS,
        corrector="none",
        integrator="ancestral",
        t_start=0.8,
        seed=seed_of(prior.content_hash, number),
    )
    return sample(prior, None, config, num_particles=CHUNK).x.numpy()


def test_the_history_knows_no_catalogue_of_a_stored_draw(
    client: Client, world: TrainerWorld, redis_client: redis.Redis
) -> None:
    session = fitted(world)
    slate = run(client, session, "rank").slate

    slates = [record for record in History(redis_client).records(session) if isinstance(record, PastSlate)]
    (past,) = [one for one in slates if one.slate_id == slate.slate_id]

    assert [item.item_id for item in past.items] == [None] * 8
    assert [item.stored_draw for item in past.items] == [item.stored_draw for item in slate.items]


def test_auto_ranks_for_a_common_taste_and_steers_for_a_rare_one_or_for_none(
    client: Client, world: TrainerWorld
) -> None:
    cold = run(client, world.session("cold"), "auto").started
    assert (cold.route, cold.surrogate_version) == ("steer", "")
    assert "nothing is learnt yet" in cold.route_reason
    session = fitted(world)
    run(client, session, "rank")

    common = run(client, session, "auto", sampling={"beta": 0.1}).started
    rare = run(client, session, "auto", sampling={"beta": 1e4}).started
    guided = run(client, session, "auto", sampling={"corrector": "guidance"}).started

    assert (common.route, rare.route, guided.route) == ("rank", "steer", "steer")
    assert "512 stored draws are worth" in common.route_reason
    assert "fewer than the 16 of a run" in rare.route_reason
    assert "no weights" in guided.route_reason


def test_the_rarer_the_taste_the_dearer_the_route(client: Client, world: TrainerWorld) -> None:
    session = fitted(world)
    run(client, session, "rank")
    betas = [0.1 * 2.0**power for power in range(17)]

    taken = [run(client, session, "auto", sampling={"beta": beta}) for beta in betas]

    routes = [result.started.route for result in taken]
    assert set(routes) == {"rank", "pool_start", "steer"}
    assert routes == sorted(routes, key=["rank", "pool_start", "steer"].index)
    asked = [result.finished.denoiser_evaluations for result in taken]
    assert asked == sorted(asked)


def test_what_is_weighed_by_the_denoiser_is_weighed_only_where_it_is_named(
    client: Client, world: TrainerWorld
) -> None:
    session = fitted(world, surrogate="mlp")

    chosen, named = run(client, session, "auto"), run(client, session, "rank")

    assert (chosen.started.route, chosen.finished.denoiser_evaluations) == ("steer", N * (STEPS + 1))
    assert "would ask the denoiser about each" in chosen.started.route_reason
    assert (named.started.route, named.finished.denoiser_evaluations) == ("rank", 512)
    assert len(stored_names(world, session, named.slate.slate_id)) == 8


def test_a_route_that_leads_nowhere_is_refused_by_name(client: Client, world: TrainerWorld) -> None:
    session = fitted(world)
    for route in ("rank", "pool_start"):
        for run_of in ({"session_id": session, "corrector": "guidance"}, {"prior": "toy"}):
            sampling = {"route": route} | {k: v for k, v in run_of.items() if k == "corrector"}
            target = {k: v for k, v in run_of.items() if k != "corrector"}
            with pytest.raises(InvalidArgument) as refused:
                client.sample(**target, sampling=sampling)  # type: ignore[arg-type]
            assert (refused.value.field, refused.value.found) == ("sampling.route", route)
    assert world.stores.sessions.ledger(session).reserved == 0


def test_a_retry_replays_the_ranked_slate_and_another_route_is_another_request(
    client: Client, world: TrainerWorld
) -> None:
    session = fitted(world)
    first = run(client, session, "rank", "r")
    again = run(client, session, "rank", "r")

    assert again.started.replayed
    assert [item.particle_id for item in again.slate.items] == [
        item.particle_id for item in first.slate.items
    ]
    assert (again.started.route, again.finished.denoiser_evaluations) == ("", 0)
    with pytest.raises(AlreadyExists, match="other arguments"):
        run(client, session, "steer", "r")


def test_ranked_draws_of_a_catalogue_prior_stand_for_items(client: Client, world: TrainerWorld) -> None:
    session = fitted(world, prior="shop", particles_per_round=8)
    shown: list[str] = []
    for _ in range(2):
        result = run(client, session, "rank")
        assert result.started.route == "rank"
        shown += [item.item.item_id for item in result.slate.items if item.item is not None]

    assert len(shown) == len(set(shown)) == 16


@pytest.mark.parametrize("surrogate", ["gp", "linear"])
@pytest.mark.parametrize("policy", ["ucb", "epsilon_greedy"])
def test_a_ranked_slate_of_a_catalogue_is_the_best_of_the_shelf_as_it_is_now(
    client: Client, world: TrainerWorld, surrogate: str, policy: str
) -> None:
    session = fitted(world, prior="shop", surrogate=surrogate, policy=policy)
    kappa = FIRST_KAPPA if policy == "ucb" else 0.0
    # Until features of the items are there, those around the draws are shown.
    wait_until(lambda: shows_the_best(client, world, session, kappa), 60, "the best of all")
    vector = vectors_of()[int(max(scores(client, session, kappa))[1][1:])]

    client.upsert_items("shop", [CatalogueEntry("star", "Star", vector)])
    wait_until(lambda: stock_of(client) == NUM_ITEMS + 1, 60, "the new item")
    assert shows_the_best(client, world, session, kappa)
    assert "star" in world.stores.slates.shown_items(session)
    client.upsert_items("shop", [CatalogueEntry("sold", "Sold", vector, in_stock=False)])
    wait_until(lambda: stock_of(client) == NUM_ITEMS + 2, 60, "what is out of stock")
    assert shows_the_best(client, world, session, kappa)
    assert "sold" not in world.stores.slates.shown_items(session)
    client.delete_items("shop", ["star", "sold"])
    wait_until(lambda: stock_of(client) == NUM_ITEMS, 60, "the old catalogue")


def test_a_slate_of_a_catalogue_is_ranked_whatever_the_draws_are_worth_and_particles_are_not(
    client: Client, world: TrainerWorld
) -> None:
    # So strong a tilt leaves the stored draws worth less than one.
    session = fitted(world, prior="shop", sampling={"beta": 500.0})

    def chosen(**more: Any) -> SampleResult:
        return run(client, session, "auto", **more)

    wait_until(lambda: "every item" in chosen().started.route_reason, 60, "features of the items")
    slate, particles = chosen(), chosen(include_particles=True)

    assert slate.started.route == "rank"
    assert slate.finished.certificate is not None
    assert slate.finished.certificate.effective_ancestors < len(slate.slate.items)
    assert slate.finished.certificate.adequate
    assert "every item" not in particles.started.route_reason
    assert particles.started.route != "rank"


def scores(client: Client, session: str, kappa: float) -> list[tuple[float, str]]:
    """What a policy ranks by, of a session that has nearly all of its budget left."""
    item_ids = [f"i{n}" for n in range(NUM_ITEMS)]
    found = client.score(session, item_ids)
    return list(zip((found.mean + kappa * found.std).tolist(), item_ids, strict=True))


def shows_the_best(client: Client, world: TrainerWorld, session: str, kappa: float) -> bool:
    """Whether nothing that is left unseen ranks higher than what a slate shows not at random."""
    seen = world.stores.slates.shown_items(session)
    slate = run(client, session, "rank").slate
    shown = {item.item.item_id for item in slate.items if item.item is not None}
    left = [score for score, item_id in scores(client, session, kappa) if item_id not in seen | shown]
    return min(item.score for item in slate.items if item.reason == "top") >= max(left) - 0.05


def stock_of(client: Client) -> int:
    return next(prior.card.num_items for prior in client.list_priors() if prior.card.name == "shop")


def test_a_replaced_prior_is_never_ranked_by_the_old_pool(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    world = TrainerWorld(redis_client, tmp_path / "priors")
    session = fitted(world, surrogate="linear")
    with (
        running_sampler(tmp_path, redis_url, tmp_path / "priors", **POOL) as sampler,
        sampler.client() as client,
    ):
        old = stored_names(world, session, run(client, session, "rank").slate.slate_id)
        pinned = world.stores.surrogates.current(session)
        assert pinned is not None
        new = write_prior(tmp_path / "priors" / "toy", seed=1)
        wait_until(
            lambda: new.content_hash in {prior.content_hash for prior in client.list_priors()},
            60,
            "the new version",
        )
        world.stores.surrogates.pin(session, pinned.version)
        with pytest.raises(FailedPrecondition, match="another version of its prior"):
            run(client, session, "rank")
        world.stores.surrogates.release(session)
        world.answer(session)
        world.refit(session)
        again = stored_names(world, session, run(client, session, "rank").slate.slate_id)

    pools_of = [{name.rsplit("-", 1)[0] for name in names} for names in (old, again)]
    assert [len(names) for names in pools_of] == [1, 1]
    assert pools_of[0] != pools_of[1]
