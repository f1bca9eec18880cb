"""The real worker as a process of its own, on a real broker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from apa.rpc.ready import read_ready
from tests.trainer_worker.world import TrainerWorld
from tests.waiting import wait_until
from trainer_worker.app import build_app
from trainer_worker.config import TrainerSettings
from trainer_worker.tasks import REFIT, SWEEP

START_S = 60.0


class Worker:
    """`python -m trainer_worker` with a sweep interval of its own."""

    def __init__(
        self,
        redis_url: str,
        world: TrainerWorld,
        folder: Path,
        sweep_interval_s: float,
        lease_s: float = 30.0,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.ready_file = folder / "ready.json"
        environment = os.environ | {
            "REDIS_URL": redis_url,
            "APA_TRAINER_PRIOR_FOLDERS": f'["{world.priors}"]',
            "APA_TRAINER_READY_FILE": str(self.ready_file),
            "APA_TRAINER_SWEEP_INTERVAL_S": str(sweep_interval_s),
            "APA_TRAINER_LEASE_S": str(lease_s),
        }
        self.process = subprocess.Popen([sys.executable, "-m", "trainer_worker"], env=environment)
        wait_until(self.ready_file.exists, START_S, "the worker's ready file")

    def get(self, path: str) -> tuple[int, str]:
        ready = read_ready(self.ready_file)
        assert ready is not None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ready.metrics_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@pytest.fixture
def worker(redis_url: str, world: TrainerWorld, tmp_path: Path) -> Iterator[Worker]:
    """A worker whose sweeps come only at its start."""
    running = Worker(redis_url, world, tmp_path, sweep_interval_s=3600.0)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def test_a_hint_is_enough_and_so_is_a_sweep(redis_url: str, world: TrainerWorld, worker: Worker) -> None:
    app = build_app(TrainerSettings(redis_url=redis_url))
    assert worker.get("/healthz")[0] == 200

    world.session("hinted")
    world.answer("hinted", 4)
    app.send_task(REFIT, args=["hinted"])
    wait_until(lambda: world.trained_events("hinted") == 4, 20, "the hinted refit")

    world.session("forgotten")
    world.answer("forgotten", 4)
    app.send_task(SWEEP)
    wait_until(lambda: world.trained_events("forgotten") == 4, 20, "the swept refit")

    wait_until(lambda: not world.due(), 5, "an empty due set")
    _, metrics = worker.get("/metrics")
    published = re.search(r'apa_refits_total\{result="published"\} (\S+)', metrics)
    assert published is not None
    # More when a session was found due between two of its answers.
    assert float(published[1]) >= 2
    assert "apa_sessions_due 0.0" in metrics
    assert worker.stop() == 0


def test_what_a_killed_worker_left_behind_is_swept_once_its_lease_has_run_out(
    redis_url: str, world: TrainerWorld, tmp_path: Path
) -> None:
    world.session()
    world.answer(count=3)
    assert world.stores.due.acquire("s1", ttl_s=1.0) is not None
    running = Worker(redis_url, world, tmp_path, sweep_interval_s=0.25)
    try:
        wait_until(lambda: world.trained_events() == 3, 20, "the refit")
    finally:
        running.process.kill()
        running.process.wait()


def test_slates_that_nobody_answered_are_given_default_rewards_and_learnt_from_by_a_sweep(
    redis_url: str, world: TrainerWorld, tmp_path: Path
) -> None:
    running = Worker(redis_url, world, tmp_path, sweep_interval_s=0.25)
    try:
        world.session(feedback_kind="binary", answer_wait_s=0.5, default_reward=0.0)
        world.show(count=4, wait_s=0.5)
        wait_until(lambda: world.trained_events() == 4, 20, "the refit on default rewards")
    finally:
        running.process.kill()
        running.process.wait()
    assert all(event.defaulted for event in world.stores.ledger.log("s1"))


def test_a_batch_whose_worker_is_killed_in_the_middle_is_learnt_from_by_the_next(
    redis_url: str, world: TrainerWorld, tmp_path: Path
) -> None:
    names = [f"s{number}" for number in range(48)]
    for name in names:
        world.session(name)
        world.answer(name, 12)
    leases = "*:lease:*"

    first = Worker(redis_url, world, tmp_path / "first", sweep_interval_s=0.25, lease_s=2.0)
    wait_until(lambda: any(world.client.scan_iter(leases)), 20, "a batch under way")
    first.process.kill()
    first.process.wait()
    assert any(world.client.scan_iter(leases)), "the batch was to be longer than the look at it"
    assert len(world.due()) > 0

    others = [
        Worker(redis_url, world, tmp_path / name, sweep_interval_s=0.25, lease_s=2.0) for name in ("a", "b")
    ]
    try:
        wait_until(lambda: not world.due(), 60, "an empty due set")
    finally:
        for other in others:
            other.process.kill()
            other.process.wait()
    assert [world.trained_events(name) for name in names] == [12] * 48
    assert [world.stores.sessions.ledger(name).spent for name in names] == [12] * 48
