"""The service as a process of its own, and what to say to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest

from apa.errors import ApaError
from apa.pb import common_pb2, feedback_pb2, feedback_pb2_grpc
from apa.records.prior_card import PriorCard
from apa.rpc.call_errors import from_rpc_error
from apa.rpc.options import client_options
from apa.rpc.ready import Ready, read_ready
from tests.waiting import wait_until

CALL_DEADLINE_S = 10.0
MAX_MESSAGE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Service:
    """A running service."""

    ready: Ready
    process: subprocess.Popen[bytes]
    stub: Any

    def call(self, method: str, request: Any) -> Any:
        """The response; raises what the client of an application would raise."""
        try:
            return getattr(self.stub, method)(request, timeout=CALL_DEADLINE_S)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def create(self, session_id: str = "s1", **config: Any) -> Any:
        fields: dict[str, Any] = {"prior": "pictures", "budget": 10, "particles_per_round": 4} | config
        return self.call(
            "CreateSession",
            feedback_pb2.CreateSessionRequest(
                session_id=session_id, config=common_pb2.SessionConfig(**fields)
            ),
        ).session

    def record(self, *events: feedback_pb2.FeedbackEvent) -> Any:
        return self.call("RecordFeedback", feedback_pb2.RecordFeedbackRequest(events=events)).results

    def metrics(self) -> str:
        with urlopen(f"http://127.0.0.1:{self.ready.metrics_port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())


def event(particle_id: str, reward: float = 1.0, **ids: str) -> feedback_pb2.FeedbackEvent:
    return feedback_pb2.FeedbackEvent(
        feedback_id=ids.get("feedback_id", f"f-{particle_id}"),
        session_id=ids.get("session_id", "s1"),
        scalar=feedback_pb2.ScalarAnswer(particle_id=particle_id, reward=reward),
    )


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without settings of its own, and with these."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("APA_", "REDIS_URL"))}
    return inherited | settings


@contextmanager
def running_service(folder: Path, redis_url: str, **settings: str) -> Iterator[Service]:
    """Starts `python -m feedback_service` with the priors `pictures` and `points`."""
    ready_file = folder / "ready.json"
    write_priors(folder / "priors")
    process = subprocess.Popen(
        [sys.executable, "-m", "feedback_service"],
        env=environment(
            REDIS_URL=redis_url,
            APA_FEEDBACK_READY_FILE=str(ready_file),
            APA_FEEDBACK_PRIOR_FOLDERS=f'["{folder / "priors"}"]',
            APA_FEEDBACK_MAX_MESSAGE_BYTES=str(MAX_MESSAGE_BYTES),
            **settings,
        ),
    )
    try:
        ready = _wait_for(ready_file, process)
        options = client_options()
        with grpc.insecure_channel(f"127.0.0.1:{ready.port}", options=options) as channel:
            yield Service(ready, process, feedback_pb2_grpc.FeedbackServiceStub(channel))  # type: ignore[no-untyped-call]
    finally:
        process.terminate()
        process.wait(20)


def write_priors(folder: Path) -> None:
    cards = [
        PriorCard(name="pictures", kind="image", data_shape=(1, 8, 8), decoder="png", feature_dim=16),
        PriorCard(name="points", kind="vector", data_shape=(2,), decoder="none", feature_dim=0),
    ]
    for card in cards:
        (folder / card.name).mkdir(parents=True, exist_ok=True)
        (folder / card.name / "card.json").write_text(card.model_dump_json())


def refused(kind: type[ApaError], call: Callable[[], object]) -> ApaError:
    """The error that the call ends with."""
    with pytest.raises(kind) as found:
        call()
    return found.value


def _wait_for(ready_file: Path, process: subprocess.Popen[bytes]) -> Ready:
    wait_until(
        lambda: ready_file.exists() or process.poll() is not None, deadline_s=60, what="the service's start"
    )
    ready = read_ready(ready_file)
    assert ready is not None, f"the service ended with {process.returncode}"
    return ready
