from __future__ import annotations

import pytest

from apa.config import load
from apa.errors import InvalidArgument
from trainer_worker.config import TrainerSettings


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("APA_TRAINER_CONCURRENCY", "many"),
        ("APA_TRAINER_CONCURRENCY", "0"),
        ("APA_TRAINER_LEASE_S", "-1"),
        ("APA_TRAINER_SWEEP", "5"),
    ],
)
def test_a_bad_value_or_an_unknown_key_stops_the_start_and_is_named(
    key: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(key, value)
    with pytest.raises(InvalidArgument, match=key):
        load(TrainerSettings)


def test_the_broker_is_the_data_redis_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://data:6379/0")
    monkeypatch.setenv("APA_TRAINER_CONCURRENCY", "3")
    settings = load(TrainerSettings)
    assert (settings.redis_url, settings.broker_url, settings.concurrency) == ("redis://data:6379/0", "", 3)
