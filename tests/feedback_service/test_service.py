"""The service in a process of its own, over gRPC, on a real Redis."""

from __future__ import annotations

import base64
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from apa.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from apa.pb import common_pb2, feedback_pb2
from apa.records.ids import ID_IN_WORDS
from apa.rpc.statuses import from_status
from apa.store.surrogates import SurrogateStore
from tests.apa.store.test_ledger import rewards
from tests.apa.store.test_surrogates import fitted
from tests.apa.store.world import World
from tests.feedback_service.processes import MAX_MESSAGE_BYTES, Service, event, refused
from tests.waiting import wait_until


def test_a_session_is_created_with_defaults_and_read_back(service: Service) -> None:
    created = service.create(budget=20)

    assert (created.tenant, created.user_id) == ("default", "anonymous")
    assert (created.config.surrogate, created.config.policy) == ("gp", "batch_ucb")
    assert created.config.num_particles == 32
    read = service.call("GetSession", feedback_pb2.GetSessionRequest(session_id="s1")).session
    assert read == created


def test_a_session_without_an_id_is_given_one(service: Service) -> None:
    assert service.create("").session_id != service.create("").session_id


def test_creating_a_session_again_is_harmless_and_shows_where_it_stands(
    service: Service, world: World
) -> None:
    first = service.create("mine")
    again = service.create("mine")
    assert again == first

    error = refused(AlreadyExists, lambda: service.create("mine", budget=11))
    assert error.field == "session_id"


@pytest.mark.parametrize(
    ("config", "field", "found"),
    [
        ({"prior": ""}, "config.prior", "''"),
        ({"budget": 0}, "config.budget", "0"),
        ({"budget": 1_000_001}, "config.budget", "1000001"),
        ({"num_particles": 5000}, "config.num_particles", "5000"),
        ({"particles_per_round": 5000}, "config.particles_per_round", "5000"),
        ({"particles_per_round": 9, "num_particles": 8}, "config.particles_per_round", "9"),
        ({"policy": "best"}, "config.policy", "'best'"),
        ({"surrogate": "oracle"}, "config.surrogate", "'oracle'"),
        ({"feedback_kind": 77}, "config.feedback_kind", "77"),
        ({"prior": "points", "surrogate": "linear"}, "config.surrogate", "linear"),
        ({"prior": "points", "surrogate": "cnn"}, "config.surrogate", "cnn"),
        ({"sampling": common_pb2.SamplingOptions(num_steps=0)}, "config.sampling.num_steps", "0"),
        ({"sampling": common_pb2.SamplingOptions(beta=math.nan)}, "config.sampling.beta", "nan"),
        ({"sampling": common_pb2.SamplingOptions(corrector="x")}, "config.sampling.corrector", "'x'"),
    ],
)
def test_a_wrong_config_is_refused_naming_the_field_what_was_expected_and_found(
    service: Service, config: dict[str, Any], field: str, found: str
) -> None:
    error = refused(InvalidArgument, lambda: service.create(**config))

    assert (error.field, error.found) == (field, found)
    assert error.expected


def test_k_over_n_names_both(service: Service) -> None:
    error = refused(InvalidArgument, lambda: service.create(particles_per_round=9, num_particles=8))
    assert (error.expected, error.found) == ("at most 8, as many as num_particles", "9")


def test_an_unknown_prior_is_not_found_and_the_error_names_those_that_exist(service: Service) -> None:
    error = refused(NotFound, lambda: service.create(prior="dreams"))

    assert (error.field, error.found) == ("config.prior", "dreams")
    assert "pictures" in error.expected


@pytest.mark.parametrize("name", ["has space", "a/b", "-", "x" * 129])
def test_a_malformed_session_id_is_refused(service: Service, name: str) -> None:
    error = refused(InvalidArgument, lambda: service.create(name))
    assert error.field == "session_id"
    assert error.expected in (ID_IN_WORDS, "at most 128 characters")


def test_an_unknown_session_is_not_found(service: Service) -> None:
    calls = {
        "GetSession": feedback_pb2.GetSessionRequest(session_id="nobody"),
        "ListSurrogates": feedback_pb2.ListSurrogatesRequest(session_id="nobody"),
    }
    for method, request in calls.items():

        def call(method: str = method, request: object = request) -> object:
            return service.call(method, request)

        error = refused(NotFound, call)
        assert (error.field, error.found) == ("session_id", "nobody")


def test_sessions_are_listed_page_by_page(service: Service) -> None:
    ids = {service.create(f"s{i}").session_id for i in range(5)}
    found: list[str] = []
    token = ""
    while True:
        request = feedback_pb2.ListSessionsRequest(tenant="default", page_size=2, page_token=token)
        page = service.call("ListSessions", request)
        found += [session.session_id for session in page.sessions]
        token = page.next_page_token
        if not token:
            break

    assert sorted(found) == sorted(ids)
    bad_token = feedback_pb2.ListSessionsRequest(page_token="?")
    assert refused(InvalidArgument, lambda: service.call("ListSessions", bad_token)).field == "page_token"
    too_many = feedback_pb2.ListSessionsRequest(page_size=1001)
    assert refused(InvalidArgument, lambda: service.call("ListSessions", too_many)).field == "page_size"


def test_an_answer_is_acknowledged_once_and_its_repetition_is_a_duplicate(
    service: Service, world: World
) -> None:
    slate = world.show(num_items=4)
    answer = event(slate.items[0].particle_id, 0.5)

    (first,) = service.record(answer)
    (again,) = service.record(answer)

    assert (first.sequence, first.duplicate, first.spent, first.remaining) == (1, False, 1, 9)
    assert (again.sequence, again.duplicate, again.spent, again.remaining) == (1, True, 1, 9)
    session = service.call("GetSession", feedback_pb2.GetSessionRequest(session_id="s1")).session
    assert (session.spent, session.reserved, session.num_events) == (1, 3, 1)


def test_a_batch_has_a_result_for_each_answer_and_every_refusal_says_why(
    service: Service, world: World
) -> None:
    slate = world.show(num_items=2)
    one, two = (item.particle_id for item in slate.items)
    service.record(event(one, feedback_id="taken"))

    results = service.record(
        event(two, math.nan),
        event(two, math.inf),
        event("never-shown"),
        event(two, session_id="nobody"),
        event(one, feedback_id="other"),
        event(two, feedback_id="taken"),
        event(two, feedback_id="not an id"),
        feedback_pb2.FeedbackEvent(feedback_id="empty", session_id="s1"),
        event(two, 0.25),
    )

    errors = [from_status(result.error) for result in results[:-1]]
    assert [(type(error), error.field) for error in errors] == [
        (InvalidArgument, "events[0].answer.reward"),
        (InvalidArgument, "events[1].answer.reward"),
        (NotFound, "particle_id"),
        (NotFound, "session_id"),
        (AlreadyExists, "particle_id"),
        (AlreadyExists, "feedback_id"),
        (InvalidArgument, "events[6].feedback_id"),
        (InvalidArgument, "events[7].answer"),
    ]
    assert all(error.expected for error in errors)
    assert [result.feedback_id for result in results][-2:] == ["empty", f"f-{two}"]
    assert (results[-1].sequence, results[-1].HasField("error")) == (2, False)
    assert rewards(world.ledger.events("s1")) == [1.0, 0.25]


def test_after_the_budget_is_spent_answers_are_a_failed_precondition(
    service: Service, redis_client: redis.Redis
) -> None:
    world = World(redis_client, budget=1)
    slate = world.show(num_items=2)
    first, second = (event(item.particle_id) for item in slate.items)
    service.record(first)

    late, duplicate = service.record(second, first)

    error = from_status(late.error)
    assert isinstance(error, FailedPrecondition)
    assert (error.field, error.found) == ("budget", "1 spent and 0 reserved of 1")
    assert duplicate.duplicate


def test_the_number_of_answers_in_a_call_is_bounded(service: Service) -> None:
    error = refused(InvalidArgument, lambda: service.record())
    assert (error.field, error.found) == ("events", "0")
    error = refused(InvalidArgument, lambda: service.record(*[event("p")] * 1001))
    assert (error.expected, error.found) == ("1 to 1000", "1001")


def test_a_message_over_the_limit_is_refused(service: Service) -> None:
    huge = "x" * (MAX_MESSAGE_BYTES + 1)
    error = refused(ResourceExhausted, lambda: service.record(event(huge)))
    assert str(MAX_MESSAGE_BYTES) in error.expected


def test_an_accepted_answer_sends_the_trainer_one_hint(
    service: Service, world: World, redis_client: redis.Redis
) -> None:
    slate = world.show(num_items=2)
    one, two = (event(item.particle_id) for item in slate.items)

    service.record(one, two, event("never-shown"))
    service.record(one)

    wait_until(lambda: redis_client.llen("celery") == 1, what="the hint")
    (raw,) = redis_client.lrange("celery", 0, -1)
    message = json.loads(raw)
    assert message["headers"]["task"] == "trainer_worker.refit"
    assert message["headers"]["ignore_result"] is True
    assert message["content-type"] == "application/json"
    assert json.loads(base64.b64decode(message["body"]))[0] == ["s1"]


def test_published_surrogates_are_listed_and_shown_with_their_session(
    service: Service, world: World, redis_client: redis.Redis
) -> None:
    lease = world.due.acquire("s1", 60)
    assert lease is not None
    for events in (1, 2):
        SurrogateStore(redis_client).publish(lease, *fitted(events))

    listed = service.call("ListSurrogates", feedback_pb2.ListSurrogatesRequest(session_id="s1")).surrogates
    session = service.call("GetSession", feedback_pb2.GetSessionRequest(session_id="s1")).session

    assert [version.trained_events for version in listed] == [2, 1]
    assert session.surrogate == listed[0]


def test_answers_are_counted_by_kind_and_result(service: Service, world: World) -> None:
    slate = world.show(num_items=1)
    service.record(event(slate.items[0].particle_id), event("never-shown"), event("p", math.nan))
    service.record(event(slate.items[0].particle_id))

    metrics = service.metrics()

    for result in ("accepted", "duplicate", "not_found", "invalid_argument"):
        assert f'apa_feedback_total{{kind="scalar",result="{result}"}}' in metrics


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has loaded is read from /proc")
def test_the_process_never_loads_torch(service: Service) -> None:
    service.create()
    maps = Path(f"/proc/{service.process.pid}/maps").read_text()
    assert "python" in maps
    assert "torch" not in maps
