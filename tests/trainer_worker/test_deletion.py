"""A user is deleted while a refit is under way: nothing comes back, and nothing is reported as failed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from apa import keys
from apa.store.erasure import Erasure
from tests.apa.store.test_erasure import traces
from tests.trainer_worker.test_worker import Worker
from tests.trainer_worker.world import TrainerWorld
from tests.waiting import wait_until
from trainer_worker.app import build_app
from trainer_worker.config import TrainerSettings
from trainer_worker.tasks import REFIT


def deleting(world: TrainerWorld, call: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    """The call, with a deletion of the user just before or just after it."""

    def deleted(*args: Any) -> Any:
        if before:
            Erasure(world.client).user("default", "anonymous")
        found = call(*args)
        Erasure(world.client).user("default", "anonymous")
        return found

    return deleted


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("store", "step"),
    [
        ("sessions", "get_many"),
        ("due", "take"),
        ("ledger", "logs"),
        ("surrogates", "current_of"),
        ("slates", "particles_of"),
        ("surrogates", "publish_many"),
        ("due", "settle_many"),
    ],
)
def test_at_whichever_step_it_is_deleted_nothing_is_left_and_nothing_failed(
    world: TrainerWorld,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    store: str,
    step: str,
    before: bool,
) -> None:
    world.session()
    world.answer(count=4)
    part = getattr(world.stores, store)
    monkeypatch.setattr(part, step, deleting(world, getattr(part, step), before=before))

    world.refit("s1")

    assert traces(world.client) == []
    assert world.measured("refits_total", result="failed") == 0
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_others_of_the_batch_are_refitted(world: TrainerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.session()
    mine = world.stores.sessions.get("s1")
    world.stores.sessions.create(mine.model_copy(update={"session_id": "other", "user_id": "bob"}))
    for name in ("s1", "other"):
        world.answer(name, 4)
    slates = world.stores.slates
    monkeypatch.setattr(slates, "particles_of", deleting(world, slates.particles_of, before=True))

    world.drain().run()

    assert world.trained_events("other") == 4
    assert world.due() == []
    assert traces(world.client) == []


@pytest.mark.slow
def test_a_real_worker_brings_back_nothing_of_users_that_are_deleted_as_they_are_refitted(
    redis_url: str, world: TrainerWorld, tmp_path: Path
) -> None:
    app = build_app(TrainerSettings(redis_url=redis_url))
    running = Worker(redis_url, world, tmp_path, sweep_interval_s=0.1)
    erasure = Erasure(world.client)
    names = [f"s{number}" for number in range(30)]

    def begun(name: str) -> bool:
        return bool(world.client.exists(keys.fence(name))) or name not in world.due()

    def ended(name: str) -> bool:
        return world.trained_events(name) == 4

    until = [begun, ended, lambda _: True]
    try:
        for number, name in enumerate(names):
            world.session(name)
            world.answer(name, 4)
            app.send_task(REFIT, args=[name])
            wait_until(partial(until[number % 3], name), 30, f"a moment of {name}")
            assert erasure.user("default", "anonymous").sessions == 1
        world.session("last")
        world.answer("last", 4)
        app.send_task(REFIT, args=["last"])
        wait_until(lambda: ended("last"), 30, "the refit after all others")
    finally:
        assert running.stop() == 0
    assert [trace for name in names for trace in traces(world.client, name)] == []
