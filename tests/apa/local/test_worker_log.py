"""What is shown of a trainer's log."""

from __future__ import annotations

import pytest

from apa.local.worker_log import calm_environment, tidied

BANNER = """
 -------------- celery@vm v5.7.0 (collider)
--- ***** -----
-- ******* ---- Linux-6.1 2026-11-24 00:07:40
- *** --- * ---
- ** ---------- [config]
- ** ---------- .> app:         trainer_worker:0x7fbe26e3e7d0
- *** --- * --- .> concurrency: 1 (thread)
 -------------- [queues]
                .> celery           exchange=celery(direct) key=celery
"""


@pytest.mark.parametrize("line", BANNER.splitlines())
def test_celerys_banner_is_left_out(line: str) -> None:
    assert tidied(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "[2026-11-24 00:07:40,619: WARNING/MainProcess] session s stays due: the store cannot be used",
        "[2026-11-24 00:07:40,619: ERROR/MainProcess] consumer: Cannot connect to redis://:**@h:1/0",
        "Traceback (most recent call last):",
        '  File "trainer_worker/refit.py", line 1, in refit',
        "configuration: unknown setting APA_TRAINER_X",
    ],
)
def test_what_is_wrong_is_shown_as_it_is(line: str) -> None:
    assert tidied(line) == line


def test_the_ready_line_is_no_warning() -> None:
    ready = "ready trainer port=0 metrics_port=36775"
    assert tidied(f"[2026-11-24 00:07:40,619: WARNING/MainProcess] {ready}") == ready


def test_a_level_and_filters_of_the_user_stay() -> None:
    assert calm_environment({})["APA_TRAINER_LOG_LEVEL"] == "WARNING"
    found = calm_environment({"APA_TRAINER_LOG_LEVEL": "INFO", "PYTHONWARNINGS": "error"})
    assert found["APA_TRAINER_LOG_LEVEL"] == "INFO"
    assert found["PYTHONWARNINGS"].startswith("error,ignore:")
