"""A session's history over gRPC, and as the files that the command writes, on a real Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from apa.client import AsyncClient, Client, HistoryRecord, PastSlate, RecordedFeedback, SessionView
from apa.errors import NotFound
from apa.records.session import SurrogateVersion
from apa.store.surrogates import SurrogateStore
from tests.apa.cli.test_commands import Shell
from tests.apa.store.test_history import assert_as_shown
from tests.apa.store.test_surrogates import fitted
from tests.apa.store.world import World, particles_of
from tests.apa.wire.test_round_trips import plain
from tests.feedback_service.processes import Service, refused

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(sampler=NOWHERE, feedback=f"127.0.0.1:{service.ready.port}") as client:
        yield client


@pytest.fixture
def apa(service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("APA_FEEDBACK", f"127.0.0.1:{service.ready.port}")
    return Shell(monkeypatch, capsys)


def live(world: World) -> None:
    """Two slates of four, of which three particles are answered, and two surrogates."""
    first, second = world.show(), world.show()
    for slate, index, reward in ((first, 2, 0.0), (second, 1, -1.5), (first, 0, 2.0)):
        world.answer(slate, index, reward)
    lease = world.due.acquire("s1", 60)
    assert lease is not None
    for events in (1, 2):
        assert SurrogateStore(world.client).publish(lease, *fitted(events))


def test_what_is_exported_is_what_was_shown_and_answered(client: Client, world: World) -> None:
    live(world)

    view, first, second, *rest = client.export_session("s1")

    assert view == client.get_session("s1")
    for found, slate_id in ((first, "sl0"), (second, "sl1")):
        assert isinstance(found, PastSlate)
        slate = world.slates.slate("s1", slate_id)
        assert_as_shown(found, slate)
        for item, particle in zip(found.items, particles_of(slate), strict=True):
            assert item.x is not None
            np.testing.assert_array_equal(item.x, particle.x)
    answers = [record for record in rest if isinstance(record, RecordedFeedback)]
    assert [answer.feedback for answer in answers] == world.ledger.events("s1")
    versions = [record for record in rest if isinstance(record, SurrogateVersion)]
    assert versions == client.list_surrogates("s1")
    assert len(rest) == 3 + 2


def test_the_asynchronous_client_reads_the_same(service: Service, client: Client, world: World) -> None:
    live(world)

    async def exported() -> list[HistoryRecord]:
        async with AsyncClient(sampler=NOWHERE, feedback=f"127.0.0.1:{service.ready.port}") as client:
            return [record async for record in client.export_session("s1")]

    assert plain(tuple(asyncio.run(exported()))) == plain(tuple(client.export_session("s1")))


def test_a_reader_may_stop_early(client: Client, world: World) -> None:
    live(world)
    reading = client.export_session("s1")
    assert isinstance(next(reading), SessionView)
    reading.close()  # type: ignore[attr-defined]
    assert len(list(client.export_session("s1"))) == 8


def test_an_unknown_session_cannot_be_exported(client: Client, world: World) -> None:
    error = refused(NotFound, lambda: list(client.export_session("nobody")))
    assert (error.field, error.found) == ("session_id", "nobody")


def test_the_command_writes_three_files_that_agree(apa: Shell, world: World, tmp_path: Path) -> None:
    live(world)
    folder = tmp_path / "new" / "folder"

    printed = apa.json("session", "export", "s1", "--out", str(folder))

    assert printed == {"slates": 2, "answers": 3, "folder": str(folder)}
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [list(line) for line in lines] == [
        [kind] for kind in ("session", *["slate"] * 2, *["feedback"] * 3, *["surrogate"] * 2)
    ]
    shown = [item["particle_id"] for line in lines[1:3] for item in line["slate"]["items"]]
    particles = np.load(folder / "particles.npz")
    assert particles["particle_ids"].tolist() == shown
    assert particles["x"].shape == (8, 1, 2)
    assert particles["slate_ids"].tolist() == ["sl0"] * 4 + ["sl1"] * 4
    bandit = np.load(folder / "bandit.npz")
    answered = {line["feedback"]["event"]["scalar"]["particle_id"] for line in lines[3:6]}
    assert set(bandit["particle_id"].tolist()) == answered
    assert bandit["reward"].tolist() == [0.0, -1.5, 2.0]
    assert bandit["position"].tolist() == [2, 1, 0]
    assert int(bandit["n_rounds"]) == 3


def test_a_folder_that_cannot_be_written_is_found_before_the_call(
    apa: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("APA_FEEDBACK", NOWHERE)
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "bandit.npz").mkdir(parents=True)
    for folder in ("file", "file/inside", "taken"):
        code, _, err = apa("session", "export", "s1", "--out", str(tmp_path / folder))
        assert code == 1
        assert "--out" in err


def test_the_commands_end_sessions_and_users(apa: Shell, client: Client, world: World) -> None:
    live(world)
    old = fitted(1)[0].version
    assert apa.json("session", "rollback", "s1", old)["pinned_version"] == old
    code, out, _ = apa("session", "show", "s1")
    assert f"{old}, until it is released" in out
    code, _, err = apa("session", "rollback", "s1", "none")
    assert (code, old in err) == (1, True)
    assert apa.json("session", "release", "s1")["pinned_version"] == ""
    assert apa.json("session", "close", "s1")["closed_at"] is not None

    code, _, err = apa("user", "delete", "default/anonymous")
    assert (code, "--yes" in err) == (1, True)
    assert client.get_session("s1")
    assert apa("user", "delete", "anonymous", "--yes")[0] == 1
    removed = apa.json("user", "delete", "default/anonymous", "--yes")
    assert (removed["sessions"], removed["events"], removed["surrogates"]) == (1, 3, 2)
    refused(NotFound, lambda: client.get_session("s1"))
