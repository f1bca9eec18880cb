"""`Score` of the sampler's own process, by the public clients: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
import torch

from apa.client import AsyncClient, Client, Scores
from apa.errors import ApaError, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from apa.local.redis_server import RedisProcess
from apa.priors import load_prior
from apa.records.feedback import BinaryAnswer, Feedback
from apa.surrogates import load
from tests.sampler_service.service_process import RunningSampler, running_sampler
from tests.sampler_service.shop import vectors_of, write_shop
from tests.trainer_worker.world import TrainerWorld, write_prior


@pytest.fixture(scope="module")
def priors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("priors")
    write_prior(folder / "toy")
    write_shop(folder / "shop")
    return folder


@pytest.fixture(scope="module")
def sampler(
    redis_server: RedisProcess, priors: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSampler]:
    with running_sampler(tmp_path_factory.mktemp("sampler"), redis_server.url, priors) as running:
        yield running


@pytest.fixture
def client(sampler: RunningSampler, redis_client: redis.Redis) -> Iterator[Client]:
    with sampler.client() as connected:
        yield connected


@pytest.fixture
def world(redis_client: redis.Redis, tmp_path: Path) -> TrainerWorld:
    """The other services' part, on the same store and equal priors."""
    write_shop(tmp_path / "shop")
    return TrainerWorld(redis_client, tmp_path)


def fitted(world: TrainerWorld, session_id: str = "s1", **config: object) -> str:
    session = world.session(session_id, **{"prior": "shop"} | config)
    world.answer(session)
    world.refit(session)
    return session


def expected(world: TrainerWorld, session: str, x: np.ndarray[Any, Any]) -> Scores:
    """What the published surrogate says in-process."""
    current = world.stores.surrogates.current(session)
    assert current is not None
    surrogate = load(world.stores.surrogates.blob(session, current.version))
    prior = load_prior(world.priors / world.stores.sessions.get(session).config.prior)
    prediction = surrogate.predict(prior, torch.from_numpy(x))
    return Scores(prediction.mean.numpy(), prediction.std.numpy(), current.version)


def assert_same(found: Scores, wanted: Scores) -> None:
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.std, wanted.std, rtol=1e-3, atol=1e-3)
    assert found.surrogate_version == wanted.surrogate_version


def refused(kind: type[ApaError], client: Client, *args: object, **kwargs: object) -> ApaError:
    with pytest.raises(kind) as found:
        client.score(*args, **kwargs)  # type: ignore[arg-type]
    assert type(found.value) is kind
    return found.value


@pytest.mark.parametrize("surrogate", ["gp", "linear", "mlp"])
def test_items_are_scored_as_the_published_surrogate_says_in_the_order_asked(
    client: Client, world: TrainerWorld, surrogate: str
) -> None:
    session = fitted(world, surrogate=surrogate)
    wanted = expected(world, session, vectors_of()[[7, 3, 3, 59]])

    for _ in range(2):
        assert_same(client.score(session, ["i7", "i3", "i3", "i59"]), wanted)
    # Some are known by now, others not.
    both = client.score(session, ["i8", "i7"])
    assert_same(both, expected(world, session, vectors_of()[[8, 7]]))
    assert np.ptp(client.score(session, [f"i{n}" for n in range(60)]).mean) > 0.1


def test_likes_are_scored_as_probabilities(client: Client, world: TrainerWorld) -> None:
    session = world.session(prior="shop", feedback_kind="binary")
    slate, particles = world.show(session)
    for item, particle in zip(slate.items, particles, strict=True):
        answer = BinaryAnswer(particle_id=item.particle_id, liked=bool(particle.x[0] > 0))
        world.stores.ledger.record(
            Feedback(feedback_id=f"f-{item.particle_id}", session_id=session, answer=answer)
        )
    world.refit(session)
    scores = client.score(session, [f"i{n}" for n in range(60)])
    assert ((scores.mean > 0.0) & (scores.mean < 1.0)).all()


def test_vectors_are_scored_for_any_prior_by_both_clients(
    client: Client, sampler: RunningSampler, world: TrainerWorld
) -> None:
    session = fitted(world, prior="toy")
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)

    async def asynchronously() -> Scores:
        async with AsyncClient(sampler=sampler.address, feedback="127.0.0.1:1") as apa:
            return await apa.score(session, x=x)

    assert_same(client.score(session, x=x), expected(world, session, x))
    assert_same(asyncio.run(asynchronously()), expected(world, session, x))
    assert len(client.score(session, x=x[:1].tolist())) == 1


def test_a_closed_session_is_scored_and_nothing_is_reserved(client: Client, world: TrainerWorld) -> None:
    session = fitted(world)
    world.stores.sessions.close(session)
    client.score(session, ["i0"])
    assert world.stores.sessions.ledger(session).reserved == 0


def test_a_pinned_surrogate_is_the_one_that_scores(client: Client, world: TrainerWorld) -> None:
    session = fitted(world)
    first = world.stores.surrogates.current(session)
    assert first is not None
    world.answer(session)
    world.refit(session)
    assert client.score(session, ["i0"]).surrogate_version != first.version
    world.stores.surrogates.pin(session, first.version)
    assert client.score(session, ["i0"]).surrogate_version == first.version


def test_what_cannot_be_scored_is_refused_by_its_field(client: Client, world: TrainerWorld) -> None:
    session = fitted(world)
    toy = fitted(world, "s2", prior="toy")
    ones = np.ones((2, 4), dtype=np.float32)
    for arguments, field, found in (
        ({"item_ids": []}, "item_ids", "neither"),
        ({"item_ids": ["i0"] * 4033}, "item_ids", "4033"),
        ({"x": ones[:0]}, "x", "0"),
        ({"x": 1.0}, "x", "a scalar"),
        ({"x": ones[:, :3]}, "x", "(2, 3)"),
        ({"x": ones[0]}, "x", "(4,)"),
        ({"x": ones * np.nan}, "x", "NaN or infinity"),
    ):
        error = refused(InvalidArgument, client, session, **arguments)
        assert (error.field, error.found) == (field, found)
        assert error.expected
    error = refused(InvalidArgument, client, toy, ["i0"])
    assert (error.field, error.found) == ("item_ids", "toy")
    error = refused(NotFound, client, session, ["i0", "i60", "i61"])
    assert (error.field, error.found) == ("item_ids.1", "i60")
    assert refused(NotFound, client, "nobody", ["i0"]).field == "session_id"


def test_arguments_that_no_message_can_carry_are_refused_before_they_are_sent(client: Client) -> None:
    for arguments, field in (
        ({}, "item_ids"),
        ({"item_ids": ["a"], "x": [[1.0]]}, "item_ids"),
        ({"item_ids": "abc"}, "item_ids"),
        ({"item_ids": ["a", 7]}, "item_ids.1"),
        ({"x": "abc"}, "x"),
        ({"x": [[1.0], [1.0, 2.0]]}, "x"),
    ):
        assert refused(InvalidArgument, client, "s", **arguments).field == field


def test_before_anything_is_learnt_there_is_nothing_to_score_by(client: Client, world: TrainerWorld) -> None:
    session = world.session(prior="shop")
    error = refused(FailedPrecondition, client, session, ["i0"])
    assert (error.field, error.found) == ("session_id", session)


def test_a_surrogate_of_another_prior_scores_nothing(
    sampler: RunningSampler, redis_client: redis.Redis, tmp_path: Path
) -> None:
    # Fitted where `toy` has other weights than the sampler's.
    world = TrainerWorld(redis_client, tmp_path)
    write_prior(tmp_path / "toy", seed=5)
    session = fitted(world, prior="toy", surrogate="linear")
    version = world.stores.surrogates.current(session)
    assert version is not None
    x = np.ones((1, 4), dtype=np.float32)
    with sampler.client(retry_for_s=0.0) as client:
        assert refused(Unavailable, client, session, x=x).field == "prior"
        assert world.due() == [session], "a refit is due"
        world.stores.surrogates.pin(session, version.version)
        assert refused(FailedPrecondition, client, session, x=x).field == "pinned_version"
