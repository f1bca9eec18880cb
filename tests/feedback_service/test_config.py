from __future__ import annotations

import os
import subprocess
import sys

import pytest

from apa.config import load
from apa.errors import InvalidArgument
from feedback_service.config import FeedbackSettings
from tests.feedback_service.processes import environment


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("APA_FEEDBACK_PROT", "50052"),
        ("APA_FEEDBACK_PORT", "a lot"),
        ("APA_FEEDBACK_STORE_THREADS", "0"),
        ("APA_FEEDBACK_STORE_TIMEOUT_S", "soon"),
        ("APA_FEEDBACK_MAX_EVENTS_PER_CALL", "-1"),
        ("APA_FEEDBACK_MAX_PARTICLES", "5000"),
        ("APA_FEEDBACK_PRIOR_FOLDERS", "3"),
    ],
)
def test_a_wrong_setting_is_refused_by_the_name_of_its_key(
    key: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(key, value)

    with pytest.raises(InvalidArgument) as refused:
        load(FeedbackSettings)

    assert refused.value.field == key


def test_without_settings_the_broker_is_the_data_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in environment().keys() ^ os.environ.keys():
        monkeypatch.delenv(key)
    assert load(FeedbackSettings).broker_url == ""


def test_a_wrong_setting_stops_the_start() -> None:
    started = _python("-m", "feedback_service", APA_FEEDBACK_PROT="50052")

    assert started.returncode == 2
    assert "APA_FEEDBACK_PROT" in started.stderr
    assert "Traceback" not in started.stderr


def test_importing_the_service_loads_no_torch() -> None:
    program = "import feedback_service.__main__, sys; sys.exit('torch' in sys.modules)"
    assert _python("-c", program).returncode == 0


def _python(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
