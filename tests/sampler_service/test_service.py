"""The sampler's own process, spoken to by the public client: what it streams, and what it refuses."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
import torch

from apa import keys
from apa.client import Client
from apa.errors import (
    AlreadyExists,
    ApaError,
    DataLoss,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from apa.local.redis_server import RedisProcess, free_port, start_server
from apa.priors import GaussianMixturePrior, save_prior
from apa.records.run_events import Finished, ParticleChunk, Preview, Progress, Started
from apa.records.session import RefitQuality
from apa.store.connection import connect
from tests.sampler_service.service_process import RunningSampler, running_sampler
from tests.trainer_worker.world import TrainerWorld, write_prior
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def priors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`toy`, a small network; `mixture` and `wide`, which have no features; `damaged`, cut short."""
    folder = tmp_path_factory.mktemp("priors")
    means = torch.tensor([[-2.0, 0.0], [2.0, 0.0]])
    save_prior(GaussianMixturePrior(means, 0.1, torch.tensor([0.5, 0.5])), folder / "mixture")
    save_prior(GaussianMixturePrior(torch.zeros(1, 2000), 0.1, torch.ones(1)), folder / "wide")
    write_prior(folder / "toy")
    write_prior(folder / "damaged")
    weights = folder / "damaged" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
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
    """The other services' part, on the same store."""
    return TrainerWorld(redis_client, tmp_path)


def refused(kind: type[ApaError], field: str, client: Client, *args: object, **kwargs: object) -> ApaError:
    with pytest.raises(kind) as found:
        client.sample(*args, **kwargs)  # type: ignore[arg-type]
    assert found.value.field == field
    return found.value


def refuses(client: Client) -> bool:
    try:
        client.sample(prior="mixture", num_particles=2)
    except Unavailable:
        return True
    return False


def test_an_unsteered_run_streams_its_events_in_order_and_repeats_by_its_seed(client: Client) -> None:
    events = list(
        client.sample_stream(prior="mixture", num_particles=300, sampling={"seed": 3}, progress_every=4)
    )
    kinds = [type(event) for event in events]
    assert kinds == [Started, Progress, ParticleChunk, Finished]

    again = client.sample(prior="mixture", num_particles=300, sampling={"seed": 3}).particles
    assert again is not None
    first = next(event for event in events if isinstance(event, ParticleChunk))
    np.testing.assert_array_equal(again.x, first.x)
    assert abs(np.sign(again.x[:, 0]).mean()) < 0.2, "both modes have the same mass"


def test_an_unsteered_run_says_its_route_and_what_it_asked_of_the_denoiser(client: Client) -> None:
    result = client.sample(prior="mixture", num_particles=20, sampling={"num_steps": 5})
    assert (result.started.route, bool(result.started.route_reason)) == ("steer", True)
    assert result.finished.denoiser_evaluations == 20 * 5
    refused(InvalidArgument, "sampling.route", client, prior="mixture", sampling={"route": "walk"})
    refused(InvalidArgument, "sampling.route", client, prior="mixture", sampling={"route": "rank"})


def test_where_the_path_begins_is_the_servers_unless_the_request_says_otherwise(client: Client) -> None:
    def begun(**sampling: float) -> float | None:
        first = next(client.sample_stream(prior="mixture", num_particles=2, sampling=sampling))
        assert isinstance(first, Started)
        return first.sampling.t_start

    assert begun() == 0.8
    assert begun(t_start=0.5) == 0.5


def previews(client: Client, *args: str, **kwargs: object) -> list[Preview]:
    events = client.sample_stream(*args, **kwargs)  # type: ignore[arg-type]
    return [event.preview for event in events if isinstance(event, Progress) and event.preview is not None]


def test_previews_show_where_the_heaviest_particles_are_heading(client: Client) -> None:
    run: dict[str, Any] = {"prior": "mixture", "num_particles": 50, "sampling": {"seed": 3, "num_steps": 40}}
    seen = previews(client, **run, progress_every=13, preview_particles=5)
    assert [(preview.rows, preview.x_0_hat.shape) for preview in seen] == [((0, 1, 2, 3, 4), (5, 2))] * 3
    np.testing.assert_allclose(np.exp(seen[0].log_weights), 1 / 50)
    watched = client.sample(**run).particles
    assert watched is not None
    # Unsteered, nothing is resampled: rows stay, and near the end the estimate is the particle itself.
    np.testing.assert_allclose(seen[-1].x_0_hat, watched.x[:5], atol=0.5)
    assert previews(client, **run, progress_every=13) == []


def test_previews_of_a_session_leave_its_run_as_it_is(client: Client, world: TrainerWorld) -> None:
    session = world.session(num_particles=32)
    cold = previews(client, session, request_id="cold", progress_every=1, preview_particles=32)
    assert {len(preview.rows) for preview in cold} == {32}
    plain_start = world.session("s2", policy="epsilon_greedy", num_particles=32)
    cold = previews(client, plain_start, request_id="cold", progress_every=1, preview_particles=32)
    assert {len(preview.rows) for preview in cold} == {8}, "it draws as many as it shows"
    world.answer(session)
    world.refit(session)
    sampling = {"seed": 7, "num_steps": 12}
    plain = client.sample(session, sampling=sampling, include_particles=True).particles
    events = list(
        client.sample_stream(
            session, sampling=sampling, include_particles=True, progress_every=1, preview_particles=32
        )
    )
    steps = [event for event in events if isinstance(event, Progress)]
    assert [event.step for event in steps] == list(range(1, 12))
    for event in steps:
        assert event.preview is not None
        shares = np.exp(event.preview.log_weights)
        assert sorted(event.preview.rows) == list(range(32))
        assert np.all(np.diff(shares) <= 0)
        assert 1 / (shares**2).sum() == pytest.approx(event.ess)
    assert plain is not None
    chunk = next(event for event in events if isinstance(event, ParticleChunk))
    np.testing.assert_array_equal(chunk.x, plain.x)
    np.testing.assert_array_equal(chunk.log_weights, plain.log_weights)


def test_previews_that_cannot_be_sent_are_refused_before_the_run(client: Client, world: TrainerWorld) -> None:
    session = world.session(num_particles=16)
    for arguments, expected in (
        ({"progress_every": 0, "preview_particles": 1}, "0 without progress_every"),
        ({"progress_every": 1, "preview_particles": 17}, "at most 16, the particles of the run"),
    ):
        with pytest.raises(InvalidArgument) as found:
            previews(client, session, **arguments)
        assert (found.value.field, found.value.expected) == ("preview_particles", expected)
    with pytest.raises(InvalidArgument) as found:
        previews(client, prior="wide", num_particles=64, progress_every=1, preview_particles=10)
    assert found.value.field == "preview_particles"
    assert found.value.expected == "at most 8, what a message of 65536 bytes holds of this prior"
    assert len(previews(client, prior="wide", num_particles=64, progress_every=5, preview_particles=8)) == 1
    assert world.stores.sessions.ledger(session).reserved == 0


def test_the_first_slate_is_a_cold_start_and_a_later_one_is_steered_by_what_was_learnt(
    client: Client, world: TrainerWorld
) -> None:
    session = world.session(num_particles=64)
    cold = client.sample(session).slate
    assert {item.reason for item in cold.items} == {"cold_start"}
    assert (len(cold.items), cold.asked, cold.surrogate_version) == (8, 8, "")

    world.answer(session)
    world.refit(session)
    result = client.sample(session, sampling={"num_steps": 20})
    current = world.stores.surrogates.current(session)
    assert current is not None
    assert result.slate.surrogate_version == current.version
    assert result.finished.log_z is not None
    assert {item.reason for item in result.slate.items} == {"top", "diverse"}
    assert all(item.predicted_std > 0 for item in result.slate.items)
    stored = world.stores.slates.particles(session, [item.particle_id for item in result.slate.items])
    np.testing.assert_array_equal(stored[0].x, result.slate.items[0].x)


@pytest.mark.parametrize(
    ("policy", "reasons"),
    [
        ("ucb", {"top"}),
        ("batch_ucb", {"top", "diverse"}),
        ("thompson", {"sampled"}),
        ("batch_thompson", {"sampled"}),
        ("epsilon_greedy", {"top", "random"}),
        ("batch_epsilon_greedy", {"top", "diverse", "random"}),
        ("gumbel_top_k", {"sampled"}),
    ],
)
def test_every_policy_fills_a_slate_and_the_store_and_the_wire_keep_what_it_says(
    client: Client, world: TrainerWorld, policy: str, reasons: set[str]
) -> None:
    session = world.session(policy=policy, num_particles=64)
    cold = client.sample(session).slate
    assert (cold.policy, {item.score for item in cold.items}) == ("", {0.0})
    world.answer(session)
    world.refit(session)

    slate = client.sample(session, request_id="r").slate

    assert (slate.policy, len(slate.items), {item.reason for item in slate.items}) == (policy, 8, reasons)
    assert all(0.0 < item.propensity <= 1.0 for item in slate.items)
    assert all(item.score != 0.0 for item in slate.items)
    replayed = client.sample(session, request_id="r").slate
    assert [item.score for item in replayed.items] == [item.score for item in slate.items]
    assert [item.reason for item in replayed.items] == [item.reason for item in slate.items]
    assert replayed.policy == policy
    assert replayed.created_at == pytest.approx(slate.created_at)
    assert slate.expires_at - slate.created_at == pytest.approx(86400.0)


def test_a_new_surrogate_is_used_by_the_next_run_without_a_restart(
    client: Client, world: TrainerWorld
) -> None:
    session = world.session()
    versions = []
    for _ in range(2):
        world.answer(session)
        world.refit(session)
        versions.append(client.sample(session).slate.surrogate_version)
    assert len(set(versions)) == 2


def test_the_same_request_id_replays_the_stored_slate_and_reserves_once(
    client: Client, world: TrainerWorld
) -> None:
    session = world.session()
    first = client.sample(session, request_id="r1")
    second = client.sample(session, request_id="r1")
    assert second.started.replayed
    assert [item.particle_id for item in second.slate.items] == [
        item.particle_id for item in first.slate.items
    ]
    np.testing.assert_array_equal(second.slate.items[0].x, first.slate.items[0].x)
    assert world.stores.sessions.ledger(session).reserved == 8


def test_a_request_id_with_other_arguments_is_refused(client: Client, world: TrainerWorld) -> None:
    session = world.session()
    client.sample(session, request_id="r1", sampling={"beta": 4.0})
    error = refused(AlreadyExists, "request_id", client, session, request_id="r1", sampling={"beta": 2.0})
    assert error.found == "sampling.beta: 2.0, was 4.0"
    assert client.sample(session, request_id="r1", sampling={"beta": 4.0}).started.replayed
    assert world.stores.sessions.ledger(session).reserved == 8


def test_the_last_round_asks_what_is_left_and_afterwards_slates_ask_nothing(
    client: Client, world: TrainerWorld
) -> None:
    session = world.session(budget=11)
    asked = [client.sample(session).slate.asked for _ in range(3)]
    shown = len(client.sample(session).slate.items)
    assert (asked, shown) == ([8, 3, 0], 8)


def test_a_run_that_is_left_gives_back_its_reservation_and_its_place(
    client: Client, world: TrainerWorld, sampler: RunningSampler
) -> None:
    session = world.session(num_particles=512, particles_per_round=8)
    world.answer(session)
    world.refit(session)
    stream = client.sample_stream(session, sampling={"num_steps": 400}, progress_every=1)
    assert isinstance(next(stream), Started)
    assert isinstance(next(stream), Progress)
    assert world.stores.sessions.ledger(session).reserved == 8
    stream.close()  # type: ignore[attr-defined]
    wait_until(lambda: world.stores.sessions.ledger(session).reserved == 0, what="the release")
    wait_until(lambda: sampler.measured("apa_requests_running") == 0.0, what="the freed place")


def test_a_caller_that_leaves_at_the_first_event_ends_its_run(
    client: Client, sampler: RunningSampler
) -> None:
    ended = sampler.measured('apa_streams_ended_total{reason="cancelled"}')
    stream = client.sample_stream(prior="toy", num_particles=512, sampling={"num_steps": 400})
    assert isinstance(next(stream), Started)
    stream.close()  # type: ignore[attr-defined]
    wait_until(
        lambda: sampler.measured('apa_streams_ended_total{reason="cancelled"}') == ended + 1, what="the end"
    )
    wait_until(lambda: sampler.measured("apa_requests_running") == 0.0, what="the freed place")


def test_a_deadline_ends_the_run(client: Client, world: TrainerWorld, sampler: RunningSampler) -> None:
    session = world.session(num_particles=512)
    world.answer(session)
    world.refit(session)
    stream = client.sample_stream(session, sampling={"num_steps": 400}, timeout_s=0.5)
    assert isinstance(next(stream), Started)
    assert world.stores.sessions.ledger(session).reserved == 8
    with pytest.raises(DeadlineExceeded):
        list(stream)
    wait_until(lambda: world.stores.sessions.ledger(session).reserved == 0, what="the release")
    wait_until(lambda: sampler.measured("apa_requests_running") == 0.0, what="the freed place")


def test_what_cannot_be_sampled_is_refused_by_name(client: Client, world: TrainerWorld) -> None:
    session = world.session()
    assert "toy" in refused(NotFound, "prior", client, prior="unknown").expected
    refused(NotFound, "session_id", client, "unknown")
    refused(InvalidArgument, "num_particles", client, prior="mixture", num_particles=513)
    refused(InvalidArgument, "num_particles", client, session, num_particles=7)
    refused(InvalidArgument, "sampling.num_steps", client, prior="mixture", sampling={"num_steps": 401})
    refused(InvalidArgument, "sampling.corrector", client, prior="mixture", sampling={"corrector": "best"})
    refused(InvalidArgument, "sampling.beta", client, prior="mixture", sampling={"beta": float("nan")})
    assert world.stores.sessions.ledger(session).reserved == 0


def test_a_damaged_prior_answers_with_its_own_error_and_the_others_are_served(client: Client) -> None:
    assert "SHA-256" in refused(DataLoss, "weights.safetensors", client, prior="damaged").expected
    assert {"toy", "mixture"} <= {prior.card.name for prior in client.list_priors()}


def test_a_damaged_surrogate_is_refused_and_costs_no_budget(
    client: Client, world: TrainerWorld, redis_client: redis.Redis
) -> None:
    session = world.session()
    # Other answers than in any other test: what a server has loaded already, damage cannot reach.
    world.answer(session, count=5)
    world.refit(session)
    current = world.stores.surrogates.current(session)
    assert current is not None
    redis_client.setrange(keys.surrogate_blob(session, current.version), 100, b"?")
    refused(DataLoss, "surrogate_version", client, session)
    assert world.stores.sessions.ledger(session).reserved == 0


def test_a_surrogate_of_another_prior_makes_the_session_due_again(
    sampler: RunningSampler, redis_client: redis.Redis, tmp_path: Path
) -> None:
    world = TrainerWorld(redis_client, tmp_path)
    write_prior(tmp_path / "toy", seed=1)
    session = world.session(surrogate="linear")
    world.answer(session)
    world.refit(session, lease_s=5.0)
    assert world.due() == []
    with sampler.client(retry_for_s=0.0) as client:
        refused(Unavailable, "prior", client, session)
    assert world.due() == [session]


def test_a_message_over_the_limit_is_refused(client: Client) -> None:
    with pytest.raises(ResourceExhausted):
        client.sample(prior="mixture" * 20_000)


def test_with_redis_away_sessions_are_unavailable_and_priors_are_still_sampled(
    redis_program: Path, priors: Path, tmp_path: Path
) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with running_sampler(tmp_path, url, priors) as sampler, sampler.client(retry_for_s=0.0) as client:
        refused(Unavailable, "redis", client, "s1")
        assert client.sample(prior="mixture", num_particles=4).particles is not None
        server = start_server(tmp_path / "redis", port, server=redis_program)
        world = TrainerWorld(connect(url), tmp_path / "world")
        assert len(client.sample(world.session()).slate.items) == 8
        server.stop()


def test_sigterm_lets_a_run_finish_and_refuses_new_ones(
    redis_server: RedisProcess, redis_client: redis.Redis, priors: Path, tmp_path: Path
) -> None:
    with running_sampler(tmp_path, redis_server.url, priors) as sampler, sampler.client() as client:
        stream = client.sample_stream(
            prior="toy", num_particles=256, sampling={"num_steps": 200}, progress_every=1
        )
        next(stream)
        next(stream)
        sampler.process.send_signal(signal.SIGTERM)
        with sampler.client(retry_for_s=0.0) as late:
            wait_until(lambda: refuses(late), what="the refusal of new calls")
        assert isinstance(list(stream)[-1], Finished)
        assert sampler.process.wait(20) == 0


def test_an_over_optimised_surrogate_steers_with_less_beta_unless_the_call_names_one(
    client: Client, world: TrainerWorld
) -> None:
    session = world.session("tempered", sampling={"beta": 4.0})
    world.answer(session)
    world.refit(session)
    current = world.stores.surrogates.current(session)
    assert current is not None
    quality = RefitQuality(num_answers=8, gap=1.0, gap_error=0.1, beta_factor=0.5)
    blob = world.stores.surrogates.blob(session, current.version)
    world.publish(session, current.model_copy(update={"quality": quality}), blob)
    assert client.sample(session).started.sampling.beta == 2.0
    assert client.sample(session, sampling={"beta": 3.0}).started.sampling.beta == 3.0
    papers = {"corrector": "clipped", "integrator": "euler_maruyama"}
    assert client.sample(session, sampling=papers).started.sampling.beta == 4.0
