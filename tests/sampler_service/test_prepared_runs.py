"""The next run is made at a publication, is used once, and only by a call that resolves to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import redis
import torch

from apa.prior_folders import list_priors
from apa.records.sampling import SamplingOverrides
from sampler_service import prepared_runs, sample
from sampler_service.calls import SampleCall
from sampler_service.catalogue_features import CatalogueFeatures
from sampler_service.config import SamplerSettings
from sampler_service.masks import Masks
from sampler_service.prepared_runs import PreparedRun, PreparedRuns, fits, next_call
from sampler_service.preparing import Preparing, Stores
from sampler_service.prior_registry import PriorRegistry
from sampler_service.routes import RouteChoice
from sampler_service.routing import Ranked, Routed, Routing
from sampler_service.scheduler import Limits, Scheduler, Ticket
from sampler_service.service_loop import EngineThread
from sampler_service.shelf_candidates import ShelfCandidates
from sampler_service.showing_on_device import OnDevice
from sampler_service.stored_pools import StoredPools
from sampler_service.surrogate_cache import SurrogateCache
from tests.trainer_worker.world import TrainerWorld
from tests.waiting import wait_until

SESSION = "s1"


class NoCatalogues:
    def of(self, name: str, prior: object) -> None:
        return None


@dataclass
class Ahead:
    """What prepares, on an engine whose first step can be held back."""

    world: TrainerWorld
    preparing: Preparing
    engine: EngineThread
    runs: PreparedRuns
    ended: list[tuple[str, int]] = field(default_factory=list)

    def publish(self, session: str = SESSION) -> None:
        """Answers, a refit, and the notice of it; the sampler served the slate before."""
        self.world.answer(session)
        self.world.refit(session)
        self.runs.served(session)
        self.runs._prepare(session)

    def take(self, call: SampleCall | None = None) -> PreparedRun | None:
        job = self.preparing._resolved(call or next_call(SESSION))
        return self.runs.take(job)

    @property
    def outcomes(self) -> list[str]:
        return [outcome for outcome, _ in self.ended]


def ahead(client: redis.Redis, folder: Path, engine: EngineThread, **settings: Any) -> Ahead:
    world = TrainerWorld(client, folder)
    priors = PriorRegistry(lambda: list_priors((folder,)), "cpu")
    store = world.stores
    stores = Stores(store.sessions, store.slates, store.surrogates, store.due)
    defaults: dict[str, Any] = {"prepare": True, "route": "steer", "num_steps": 6, "num_particles": 16}
    configured = SamplerSettings(**(defaults | settings))
    cache = SurrogateCache(stores.surrogates.blob, 1 << 24)
    preparing = Preparing(stores, priors, cast(Any, NoCatalogues()), cache, configured)
    on_device = OnDevice(engine)
    pools = StoredPools(on_device, 256, configured.sampling(), priors.all)
    routing = Routing(pools, on_device, CatalogueFeatures(on_device))
    made = Ahead(world, preparing, engine, cast(PreparedRuns, None))
    made.runs = PreparedRuns(
        preparing, routing, engine, _threads, lambda outcome, wasted: made.ended.append((outcome, wasted))
    )
    world.session(SESSION)
    return made


_threads = ThreadPoolExecutor(2)


@pytest.fixture
def engine() -> Iterator[EngineThread]:
    thread = EngineThread(Limits())
    thread.start()
    yield thread
    thread.stop(0.0)


@pytest.fixture
def made(redis_client: redis.Redis, tmp_path: Path, engine: EngineThread) -> Ahead:
    return ahead(redis_client, tmp_path, engine)


def done(run: PreparedRun | None) -> PreparedRun:
    assert run is not None
    run.result.result(30)
    return run


def kept(made: Ahead) -> PreparedRun:
    return done(made.runs._kept[SESSION])


def test_a_published_surrogate_has_the_next_run_made_and_one_call_takes_it(made: Ahead) -> None:
    made.publish()
    run = kept(made)

    assert made.take() is run
    assert made.take() is None, "two slates are never of the same particles"
    assert made.ended == [("hit", 0)]


def test_it_is_the_ordinary_run_of_its_seed(made: Ahead) -> None:
    made.publish()
    run = kept(made)
    job = run.job

    surrogate = job.surrogate
    assert surrogate is not None
    ordinary = sample(job.prior, surrogate, config=job.config, num_particles=job.num_particles)

    torch.testing.assert_close(run.result.result().population.x, ordinary.x)


def test_nothing_is_reserved_for_it(made: Ahead) -> None:
    made.world.answer()
    made.world.refit()
    before = made.world.stores.sessions.ledger(SESSION)
    made.runs._prepare(SESSION)

    kept(made)

    assert made.world.stores.sessions.ledger(SESSION) == before


def test_a_notice_is_heeded_only_for_a_session_that_was_served_here(made: Ahead) -> None:
    made.world.answer()
    made.world.refit()
    made.runs.published(SESSION)
    _threads.submit(lambda: None).result()
    assert made.runs.num_kept == 0

    made.runs.served(SESSION)
    made.runs.published(SESSION)
    wait_until(lambda: made.runs.num_kept == 1, 30, "the prepared run")


@pytest.mark.parametrize(
    "named",
    [
        {"sampling": SamplingOverrides(seed=3)},
        {"sampling": SamplingOverrides(beta=2.0)},
        {"num_particles": 24},
        {"progress_every": 1},
    ],
)
def test_a_call_with_other_options_starts_its_own(made: Ahead, named: dict[str, Any]) -> None:
    made.publish()
    kept(made)

    assert made.take(replace(next_call(SESSION), **named)) is None
    ((outcome, wasted),) = made.ended
    assert outcome == "mismatched"
    assert wasted >= 16 * 6


def test_a_newer_surrogate_supersedes_it(made: Ahead) -> None:
    made.publish()
    first = kept(made)
    made.publish()

    assert made.outcomes == ["superseded"]
    assert made.take() is not first
    assert made.outcomes == ["superseded", "hit"] or made.outcomes == ["superseded", "joined"]


def test_a_call_after_a_publication_that_was_not_heard_does_not_take_the_old_one(made: Ahead) -> None:
    made.publish()
    kept(made)
    made.world.answer()
    made.world.refit()

    assert made.take() is None
    assert made.outcomes == ["superseded"]


def test_nothing_is_prepared_while_a_slate_waits_for_answers(made: Ahead) -> None:
    made.world.answer()
    made.world.refit()
    made.world.show(SESSION)
    made.runs._prepare(SESSION)

    assert made.runs.num_kept == 0


def test_nothing_is_prepared_while_answers_wait_for_a_refit(made: Ahead) -> None:
    made.world.answer()
    made.world.refit()
    made.world.answer()
    made.runs._prepare(SESSION)

    assert made.runs.num_kept == 0


def test_nothing_is_prepared_for_a_closed_session(made: Ahead) -> None:
    made.world.answer()
    made.world.refit()
    made.world.stores.sessions.close(SESSION)
    made.runs._prepare(SESSION)

    assert made.runs.num_kept == 0


def test_nothing_is_prepared_once_the_budget_is_spent(made: Ahead) -> None:
    session = made.world.session("spent", budget=8)
    made.world.answer(session)
    made.world.refit(session)
    made.runs._prepare(session)

    assert made.runs.num_kept == 0


def test_nothing_is_prepared_beside_a_pin(made: Ahead) -> None:
    made.world.answer()
    made.world.refit()
    version = made.world.stores.surrogates.current(SESSION)
    assert version is not None
    made.world.stores.surrogates.pin(SESSION, version.version)
    made.runs._prepare(SESSION)

    assert made.runs.num_kept == 0


def test_an_unknown_session_is_no_failure(made: Ahead) -> None:
    made.runs._prepare_or_say("gone")

    assert made.runs.num_kept == 0


def test_it_is_kept_for_its_lifetime(redis_client: redis.Redis, tmp_path: Path, engine: EngineThread) -> None:
    made = ahead(redis_client, tmp_path, engine, prepared_lifetime_s=1e-3)
    made.publish()
    run = made.runs._kept[SESSION]
    done(run)
    made.runs.sweep()

    assert made.runs.num_kept == 0
    assert made.outcomes == ["expired"]


def test_the_oldest_goes_when_too_many_are_kept(
    redis_client: redis.Redis, tmp_path: Path, engine: EngineThread
) -> None:
    made = ahead(redis_client, tmp_path, engine, prepared_runs=1)
    made.publish()
    kept(made)
    other = made.world.session("s2")
    made.publish(other)

    assert list(made.runs._kept) == [other]
    assert made.outcomes == ["evicted"]


def test_one_over_the_bytes_is_not_made(
    redis_client: redis.Redis, tmp_path: Path, engine: EngineThread
) -> None:
    made = ahead(redis_client, tmp_path, engine, prepared_bytes=16 * 4 * 4 - 1)
    made.publish()

    assert made.runs.num_kept == 0


def test_a_call_joins_a_run_under_way_and_gives_it_its_own_share(
    redis_client: redis.Redis, tmp_path: Path
) -> None:
    engine = EngineThread(Limits())
    made = ahead(redis_client, tmp_path, engine)
    made.publish()
    run = made.take()

    assert run is not None
    assert made.outcomes == ["joined"]
    (waiting,) = engine._scheduler._waiting.values()
    assert waiting.ticket.tenant == "default" != prepared_runs.TENANT
    engine.start()
    assert len(run.result.result(30).population.x) == run.job.num_particles
    engine.stop()


def test_a_caller_who_leaves_does_not_break_the_engine(redis_client: redis.Redis, tmp_path: Path) -> None:
    engine = EngineThread(Limits())
    made = ahead(redis_client, tmp_path, engine)
    made.publish()
    run = made.take()
    assert run is not None

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(run.result), 0.01)

    asyncio.run(impatient())
    engine.start()
    done(run)
    assert engine.is_alive
    engine.stop()


def test_a_stop_cancels_what_is_under_way(redis_client: redis.Redis, tmp_path: Path) -> None:
    engine = EngineThread(Limits())
    made = ahead(redis_client, tmp_path, engine)
    made.publish()
    run = made.runs._kept[SESSION]
    made.runs.close()
    engine.start()

    assert run.result.exception(30) is not None
    made.runs.published(SESSION)
    assert made.runs.num_kept == 0
    engine.stop()


def test_a_ranked_shelf_is_of_the_call_s_own_masks_and_of_no_older_revision(made: Ahead) -> None:
    made.publish()
    job = made.preparing._resolved(next_call(SESSION))
    shelf, newer = cast(Any, object()), cast(Any, object())
    population = sample(job.prior, None, num_particles=4)
    ranked = Ranked(population, ShelfCandidates(shelf, Masks()))
    run = PreparedRun(job, Routed(RouteChoice("rank", ""), job.config, ranked=ranked), 0.0)
    masked = replace(job, catalogue=shelf, call=replace(job.call, masks=Masks(frozenset({"blocked"}))))

    assert fits(run, masked)
    assert not fits(run, replace(masked, catalogue=newer))
    assert not fits(run, replace(masked, call=replace(masked.call, include_particles=True)))
    of_call = run.routed_for(masked).ranked
    assert of_call is not None
    assert isinstance(of_call.candidates, ShelfCandidates)
    assert (of_call.candidates.catalogue, of_call.candidates.masks) == (shelf, masked.call.masks)


def test_a_running_run_that_is_handed_over_is_charged_to_its_new_tenant() -> None:
    scheduler = Scheduler(Limits(), {"low": 0.1})
    scheduler.submit(Ticket("run", 10, 2, tenant="low"), 0.0)
    scheduler.admit(0.0)

    scheduler.hand_over("run", "user")
    scheduler.hand_over("unknown", "user")

    assert scheduler._running["run"].tenant == "user"
    assert scheduler._served["user"] >= 20
