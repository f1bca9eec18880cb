"""The client against stand-in services: what it gives back, what it raises, what it repeats."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from apa import errors
from apa.client import (
    AsyncClient,
    CatalogueEntry,
    Client,
    Feedback,
    Finished,
    PairwiseAnswer,
    Progress,
    RankingAnswer,
    RunEvent,
    ScalarAnswer,
    SessionView,
    ShownSlate,
    Started,
)
from apa.client.results import EventReader, collect
from apa.pb import sampler_pb2
from apa.records.session import RefitFailure
from tests.apa.fake_services import Fakes, serving


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def address(fakes: Fakes) -> Iterator[str]:
    with serving(fakes) as address:
        yield address


@pytest.fixture
def apa(address: str) -> Iterator[Client]:
    with Client(sampler=address, feedback=address, timeout_s=10) as client:
        yield client


def fails_first(fakes: Fakes, times: int, error: errors.ApaError) -> None:
    left = iter([error] * times)

    def before(method: str) -> None:
        for one in left:
            raise one

    fakes.before = before


def test_the_ten_lines_of_the_readme(apa: Client) -> None:
    session = apa.create_session(prior="toy", budget=16, user_id="ada", particles_per_round=4)
    for round_index in range(4):
        slate = apa.sample(session.session_id).slate
        answers = {item.particle_id: float(item.x.sum()) for item in slate.items}
        results = apa.record_feedback(session.session_id, answers)
        assert [result.acknowledgement.spent for result in results if result.acknowledgement] == [
            4 * round_index + one for one in (1, 2, 3, 4)
        ]
        view = apa.wait_for_refit(session.session_id)
    assert (view.spent, view.remaining, view.is_fitted) == (16, 0, True)
    assert [version.trained_events for version in apa.list_surrogates(session.session_id)] == [16]


def test_what_is_left_out_is_the_services_to_choose(apa: Client) -> None:
    config = apa.create_session("toy", 8).config
    assert (config.num_particles, config.particles_per_round, config.policy) == (32, 8, "batch_ucb")


def test_a_slate_has_arrays_and_items_to_show(apa: Client) -> None:
    session = apa.create_session("toy", 8, particles_per_round=2)
    result = apa.sample(session.session_id, sampling={"seed": 3})
    assert result.started.sampling.seed == 3
    assert result.particles is None
    first = result.slate.items[0]
    assert first.x.dtype == np.float32
    assert first.item is not None
    assert first.item.title == "Film 0"
    assert first.png is None


def test_a_run_of_a_prior_gives_its_particles(apa: Client) -> None:
    result = apa.sample(prior="toy", num_particles=7)
    assert result.particles is not None
    assert result.particles.x.shape == (7, 3)
    assert result.particles.log_weights.shape == (7,)
    with pytest.raises(errors.FailedPrecondition):
        _ = result.slate


def test_a_population_of_many_chunks_is_put_together(apa: Client) -> None:
    session = apa.create_session("toy", 8, num_particles=4096)
    result = apa.sample(session.session_id, num_particles=60_000, include_particles=True)
    assert result.particles is not None
    np.testing.assert_array_equal(result.particles.x.ravel(), np.arange(180_000))


def test_a_stream_gives_events_in_order(apa: Client) -> None:
    session = apa.create_session("toy", 8)
    events = list(apa.sample_stream(session.session_id, progress_every=50))
    assert [type(event) for event in events] == [Started, Progress, Progress, ShownSlate, Finished]


def test_progress_carries_as_many_previews_as_were_asked_for(apa: Client, address: str) -> None:
    def shapes(events: list[RunEvent]) -> list[tuple[int, ...] | None]:
        progress = [event for event in events if isinstance(event, Progress)]
        return [None if event.preview is None else event.preview.x_0_hat.shape for event in progress]

    async def asynchronously() -> list[RunEvent]:
        async with AsyncClient(sampler=address, feedback=address) as client:
            stream = client.sample_stream(prior="toy", progress_every=50, preview_particles=2)
            return [event async for event in stream]

    assert (
        shapes(list(apa.sample_stream(prior="toy", progress_every=50, preview_particles=2))) == [(2, 3)] * 2
    )
    assert shapes(asyncio.run(asynchronously())) == [(2, 3)] * 2
    assert shapes(list(apa.sample_stream(prior="toy", progress_every=50))) == [None] * 2


def test_to_stop_reading_ends_the_run(apa: Client, fakes: Fakes) -> None:
    stream = apa.sample_stream(prior="toy", num_particles=2_000_000, include_particles=True)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert fakes.closed.wait(10)


def test_a_wrong_argument_is_raised_at_the_call_not_at_the_first_event(apa: Client) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        apa.sample_stream()
    assert caught.value.found == "neither"
    with pytest.raises(errors.InvalidArgument) as caught:
        apa.sample("s", sampling={"beta": float("nan")})
    assert caught.value.field == "sampling.beta"


def test_an_unknown_session_is_not_found(apa: Client) -> None:
    for call in (apa.get_session, apa.sample, apa.list_surrogates, apa.wait_for_refit):
        with pytest.raises(errors.NotFound) as caught:
            call("nobody")
        assert caught.value.found == "nobody"


def test_a_refused_answer_raises_after_the_others_were_recorded(apa: Client, fakes: Fakes) -> None:
    session = apa.create_session("toy", 1)
    with pytest.raises(errors.FailedPrecondition) as caught:
        apa.record_feedback(session.session_id, {"p1": 1.0, "p2": 2.0})
    assert caught.value.field == "budget"
    assert apa.get_session(session.session_id).spent == 1


def test_refusals_can_be_read_instead(apa: Client) -> None:
    session = apa.create_session("toy", 1)
    first, second = apa.record_feedback(session.session_id, {"p1": 1.0, "p2": 2.0}, check=False)
    assert first.error is None
    assert type(second.error) is errors.FailedPrecondition


def test_the_same_answer_again_has_the_same_id(apa: Client) -> None:
    session = apa.create_session("toy", 8)
    apa.record_feedback(session.session_id, {"p": 1.0})
    again = apa.record_feedback(session.session_id, {"p": 1.0})[0].acknowledgement
    assert again is not None
    assert again.duplicate
    assert apa.get_session(session.session_id).spent == 1


def test_a_session_is_created_with_all_that_is_asked_by_both_clients(apa: Client, address: str) -> None:
    options: dict[str, Any] = {
        "feedback_kind": "binary",
        "raters": ["ada", "ben"],
        "aggregation": "least_misery",
        "answer_wait_s": 60.0,
        "default_reward": 0.0,
        "surrogate": "cnn",
        "refit_on": "round",
    }

    async def asynchronously() -> SessionView:
        async with AsyncClient(sampler=address, feedback=address) as client:
            return await client.create_session("toy", 8, **options)

    for view in (apa.create_session("toy", 8, **options), asyncio.run(asynchronously())):
        given = view.config.model_dump(include=set(options))
        assert given == options | {"raters": ("ada", "ben")}
    with pytest.raises(errors.InvalidArgument) as caught:
        apa.create_session("toy", 8, feedback_kind="pairwise", particles_per_round=1)
    assert caught.value.field == "particles_per_round"


def test_answers_of_every_kind_are_sent_by_both_clients(apa: Client, address: str, fakes: Fakes) -> None:
    session_id = apa.create_session("toy", 80).session_id
    answers: list[Any] = [
        {"p": 1.0},
        {"p": True},
        [PairwiseAnswer(preferred="p", other="q")],
        [RankingAnswer(particle_ids=("p", "q", "r"))],
    ]

    async def asynchronously() -> None:
        async with AsyncClient(sampler=address, feedback=address) as client:
            for answer in answers:
                await client.record_feedback(session_id, answer, rater="ada", supersedes=["f"])

    fakes.seen.clear()
    for answer in answers:
        apa.record_feedback(session_id, answer, rater="ada", supersedes=["f"])
    asyncio.run(asynchronously())

    events = [request.events[0] for request in fakes.seen]
    kinds = [event.WhichOneof("answer") for event in events]
    assert kinds == ["scalar", "binary", "pairwise", "ranking"] * 2
    assert {(event.rater, event.supersedes) for event in events} == {("ada", "f")}
    assert events[:4] == events[4:]


def test_ids_of_the_callers_own_are_kept(apa: Client) -> None:
    session = apa.create_session("toy", 8)
    answer = ScalarAnswer(particle_id="p", reward=1.0)
    own = Feedback(feedback_id="mine", session_id=session.session_id, answer=answer)
    assert apa.record_feedback(session.session_id, [own])[0].feedback_id == "mine"


@pytest.mark.parametrize("method", ["create_session", "record_feedback", "sample"])
def test_a_call_is_repeated_with_the_same_ids_while_a_server_is_away(
    method: str, apa: Client, fakes: Fakes
) -> None:
    session = apa.create_session("toy", 8)
    fakes.seen.clear()
    fails_first(fakes, 2, errors.Unavailable("draining"))
    calls: dict[str, Any] = {
        "create_session": lambda: apa.create_session("toy", 8),
        "record_feedback": lambda: apa.record_feedback(session.session_id, {"p": 1.0}),
        "sample": lambda: apa.sample(session.session_id),
    }
    calls[method]()
    assert len(fakes.seen) == 3
    assert fakes.seen[0] == fakes.seen[1] == fakes.seen[2]


def test_the_servers_retry_delay_is_kept(apa: Client, fakes: Fakes) -> None:
    fails_first(fakes, 1, errors.Unavailable("busy", retry_after_s=0.4))
    started = time.monotonic()
    apa.list_priors()
    assert time.monotonic() - started >= 0.4


def test_a_server_that_stays_away_is_given_up_on(address: str, fakes: Fakes) -> None:
    fails_first(fakes, 1000, errors.Unavailable("busy"))
    started = time.monotonic()
    with (
        Client(address, address, retry_for_s=0.5) as apa,
        pytest.raises(errors.Unavailable, match="busy"),
    ):
        apa.list_priors()
    assert time.monotonic() - started < 5
    assert 2 <= len(fakes.seen) < 50


def test_what_would_fail_again_is_not_repeated(apa: Client, fakes: Fakes) -> None:
    fails_first(fakes, 1000, errors.ResourceExhausted("full", retry_after_s=0.1))
    with pytest.raises(errors.ResourceExhausted):
        apa.list_priors()
    assert len(fakes.seen) == 1


def test_no_server_at_all_is_unavailable() -> None:
    with (
        Client("127.0.0.1:1", "127.0.0.1:1", retry_for_s=0) as apa,
        pytest.raises(errors.Unavailable),
    ):
        apa.list_priors()


def test_a_refit_that_does_not_come_is_a_deadline_with_both_counts(apa: Client, fakes: Fakes) -> None:
    fakes.fits = False
    session = apa.create_session("toy", 8)
    apa.record_feedback(session.session_id, {"p": 1.0})
    with pytest.raises(errors.DeadlineExceeded) as caught:
        apa.wait_for_refit(session.session_id, timeout_s=0.1)
    assert (caught.value.expected, caught.value.found) == ("trained on 1 answers", "trained on 0")


@pytest.mark.parametrize(
    ("kind", "error"), [("DataLoss", errors.FailedPrecondition), ("Internal", errors.Internal)]
)
def test_a_refit_that_failed_is_told_at_once(
    apa: Client, fakes: Fakes, address: str, kind: str, error: type[errors.ApaError]
) -> None:
    fakes.fits = False
    fakes.failure = RefitFailure(error=kind, message="particle p is gone", num_events=1, failed_at=1e9)
    session = apa.create_session("toy", 8)
    apa.record_feedback(session.session_id, {"p": 1.0})

    async def asynchronously() -> None:
        async with AsyncClient(sampler=address, feedback=address) as client:
            await client.wait_for_refit(session.session_id)

    for wait in (lambda: apa.wait_for_refit(session.session_id), lambda: asyncio.run(asynchronously())):
        started = time.monotonic()
        with pytest.raises(error, match="particle p is gone") as caught:
            wait()
        assert time.monotonic() - started < 5
        assert (caught.value.field, caught.value.expected) == ("surrogate", "trained on 1 answers")
        assert caught.value.found == f"{kind} on 1 answers at 2001-09-09T01:46:40Z"


def test_a_failure_of_fewer_answers_is_waited_out_and_told_at_the_deadline(apa: Client, fakes: Fakes) -> None:
    fakes.fits = False
    fakes.failure = RefitFailure(error="DataLoss", message="particle p is gone", num_events=1, failed_at=1e9)
    session = apa.create_session("toy", 8)
    apa.record_feedback(session.session_id, {"p": 1.0, "q": 2.0})
    with pytest.raises(errors.DeadlineExceeded, match="particle p is gone"):
        apa.wait_for_refit(session.session_id, timeout_s=0.1)


def test_sessions_are_listed_over_pages(apa: Client) -> None:
    ids = {apa.create_session("toy", 8).session_id for _ in range(5)}
    assert {view.session_id for view in apa.list_sessions()} == ids
    assert len(apa.list_sessions(limit=3)) == 3


def test_a_gap_in_a_stream_is_data_loss() -> None:
    reader = EventReader()
    reader.read(sampler_pb2.SampleResponse(sequence=0, started=sampler_pb2.Started()))
    with pytest.raises(errors.DataLoss) as caught:
        reader.read(sampler_pb2.SampleResponse(sequence=2, finished=sampler_pb2.Finished()))
    assert (caught.value.expected, caught.value.found) == ("1", "2")


def test_a_stream_that_was_cut_short_is_data_loss() -> None:
    with pytest.raises(errors.DataLoss):
        collect([])


def test_the_async_client_does_the_same(address: str, fakes: Fakes) -> None:
    async def use() -> None:
        async with AsyncClient(sampler=address, feedback=address, timeout_s=10) as apa:
            session = await apa.create_session("toy", budget=2, particles_per_round=2)
            fails_first(fakes, 2, errors.Unavailable("draining"))
            slate = (await apa.sample(session.session_id)).slate
            await apa.record_feedback(session.session_id, {item.particle_id: 1.0 for item in slate.items})
            view = await apa.wait_for_refit(session.session_id)
            assert view.remaining == 0
            events = [event async for event in apa.sample_stream(session.session_id, progress_every=0)]
            assert [type(event) for event in events] == [Started, ShownSlate, Finished]
            with pytest.raises(errors.FailedPrecondition):
                await apa.record_feedback(session.session_id, {"one more": 1.0})
            with pytest.raises(errors.NotFound):
                await apa.get_session("nobody")
            assert [prior.card.name for prior in await apa.list_priors()] == ["toy"]
            assert len(await apa.list_sessions()) == 1
            assert len(await apa.list_surrogates(session.session_id)) == 1

    asyncio.run(use())


def test_both_clients_have_the_same_methods() -> None:
    public = {name for name in vars(Client) if not name.startswith("_")}
    assert public == {name for name in vars(AsyncClient) if not name.startswith("_")}


@pytest.mark.parametrize("num_particles", [-1, 0, 10**10, 2.5])
def test_a_number_of_particles_that_is_none_is_refused_before_anything_is_sent(num_particles: int) -> None:
    with Client(sampler="127.0.0.1:1", feedback="127.0.0.1:1") as client:
        with pytest.raises(errors.InvalidArgument) as refused:
            client.sample(prior="films", num_particles=num_particles)
        assert refused.value.field == "num_particles"


@pytest.mark.parametrize(
    ("method", "field", "arguments"),
    [
        ("sample", "request_id", {"prior": "films", "request_id": ""}),
        ("sample", "request_id", {"prior": "films", "request_id": "r\n"}),
        ("sample", "request_id", {"prior": "films", "request_id": 7}),
        ("sample", "tenant", {"prior": "films", "tenant": 7}),
        ("sample", "tenant", {"prior": "films", "tenant": "\ud800"}),
        ("sample", "prior", {"prior": 7}),
        ("sample", "session_id", {"session_id": "\ud800"}),
        ("sample", "include_particles", {"prior": "films", "include_particles": "yes"}),
        ("sample", "sampling", {"prior": "films", "sampling": 7}),
        ("sample_stream", "progress_every", {"prior": "films", "progress_every": -1}),
        ("sample_stream", "progress_every", {"prior": "films", "progress_every": 2**32}),
        ("sample_stream", "progress_every", {"prior": "films", "progress_every": 1.5}),
        ("sample_stream", "progress_every", {"prior": "films", "progress_every": None}),
        ("sample_stream", "preview_particles", {"prior": "films", "preview_particles": -1}),
        ("sample_stream", "preview_particles", {"prior": "films", "preview_particles": 1.5}),
        ("sample_stream", "request_id", {"prior": "films", "request_id": ""}),
        ("create_session", "user_id", {"prior": "films", "budget": 1, "user_id": "a\nb"}),
        ("create_session", "user_id", {"prior": "films", "budget": 1, "user_id": 7}),
        ("create_session", "tenant", {"prior": "films", "budget": 1, "tenant": 7}),
        ("create_session", "session_id", {"prior": "films", "budget": 1, "session_id": ""}),
        ("create_session", "budget", {"prior": "films", "budget": -1}),
        (
            "create_session",
            "particles_per_round",
            {"prior": "films", "budget": 1, "particles_per_round": 5, "num_particles": 4},
        ),
        ("get_session", "session_id", {"session_id": None}),
        ("get_session", "session_id", {"session_id": "\x00"}),
        ("wait_for_refit", "session_id", {"session_id": 7}),
        ("list_surrogates", "session_id", {"session_id": 7}),
        ("list_sessions", "tenant", {"tenant": 7}),
        ("list_sessions", "user_id", {"user_id": "\ud800"}),
        ("list_sessions", "limit", {"limit": -1}),
        ("list_sessions", "limit", {"limit": 2.5}),
        ("record_feedback", "session_id", {"session_id": "", "answers": {"p": 1.0}}),
        ("record_feedback", "answers", {"session_id": "s", "answers": [("p", 1.0)]}),
        ("record_feedback", "answers", {"session_id": "s", "answers": 7}),
    ],
)
def test_an_argument_that_no_message_can_carry_is_refused_by_its_name(
    method: str, field: str, arguments: dict[str, Any]
) -> None:
    with (
        Client("127.0.0.1:1", "127.0.0.1:1", retry_for_s=0) as client,
        pytest.raises(errors.InvalidArgument) as refused,
    ):
        getattr(client, method)(**arguments)
    assert refused.value.field == field
    assert refused.value.expected
    assert refused.value.found


@pytest.mark.parametrize("reward", [1e200, -1e7])
def test_a_reward_that_no_surrogate_could_learn_from_is_refused(reward: float) -> None:
    with Client(sampler="127.0.0.1:1", feedback="127.0.0.1:1") as client:
        with pytest.raises(errors.InvalidArgument) as refused:
            client.record_feedback("s1", {"p1": reward})
        assert "reward" in refused.value.field


def test_many_items_are_sent_in_requests_that_hold_them_by_both_clients(
    apa: Client, address: str, fakes: Fakes
) -> None:
    entries = [CatalogueEntry(f"i{n}", "", [1.0, 2.0, 3.0]) for n in range(2001)]
    ids = [entry.item_id for entry in entries]

    async def asynchronously() -> list[int]:
        async with AsyncClient(sampler=address, feedback=address) as client:
            upserted = await client.upsert_items("toy", entries)
            return [upserted.changed, (await client.delete_items("toy", ids)).changed]

    for changed in (
        [apa.upsert_items("toy", entries).changed, apa.delete_items("toy", ids).changed],
        asyncio.run(asynchronously()),
    ):
        assert changed == [2001 - 3, 2001]
    sizes = [len(getattr(request, "items", None) or request.item_ids) for request in fakes.seen]
    assert sizes == [1000, 1000, 1] * 4


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (CatalogueEntry("a\n", "", [1.0]), "items.0.item_id"),
        (CatalogueEntry("a", "", "no"), "items.0.vector"),
        (CatalogueEntry("a", "", [1.0], {"year": 1999}), "items.0.attributes"),  # type: ignore[dict-item]
        (CatalogueEntry("a", "", [1.0], in_stock=2), "items.0.in_stock"),  # type: ignore[arg-type]
    ],
)
def test_an_item_that_no_message_can_carry_is_refused_by_its_field(
    apa: Client, entry: CatalogueEntry, field: str
) -> None:
    with pytest.raises(errors.InvalidArgument) as refused:
        apa.upsert_items("toy", [entry])
    assert refused.value.field == field


def test_masks_are_sent_by_both_clients_and_an_empty_candidate_set_is_not(
    apa: Client, address: str, fakes: Fakes
) -> None:
    session_id = apa.create_session("toy", 80).session_id
    masks: dict[str, Any] = {"exclude_item_ids": ["a", "b"], "only_item_ids": ["c"]}

    async def asynchronously() -> None:
        async with AsyncClient(sampler=address, feedback=address) as client:
            await client.sample(session_id, **masks)
            _ = [event async for event in client.sample_stream(session_id, **masks)]

    fakes.seen.clear()
    apa.sample(session_id, **masks)
    list(apa.sample_stream(session_id, **masks))
    asyncio.run(asynchronously())
    asked = [(list(one.exclude_item_ids), list(one.only_item_ids)) for one in fakes.seen]
    assert asked == [(["a", "b"], ["c"])] * 4
    empty: list[str] = []
    for wrong in ({"only_item_ids": empty}, {"only_item_ids": "abc"}):
        with pytest.raises(errors.InvalidArgument) as refused:
            apa.sample(session_id, **wrong)
        assert refused.value.field == "only_item_ids"


def test_items_that_one_message_does_not_hold_are_sent_in_several(address: str, fakes: Fakes) -> None:
    entries = [CatalogueEntry(f"i{n}", "x" * 500, [1.0] * 100) for n in range(300)]
    with Client(sampler=address, feedback=address, max_message_bytes=64 * 1024) as small:
        small.upsert_items("toy", entries)
    sent = [item.item_id for request in fakes.seen for item in request.items]
    assert sent == [entry.item_id for entry in entries]
    assert len(fakes.seen) > 2
    assert max(request.ByteSize() for request in fakes.seen) <= 64 * 1024
