"""Settings from the environment: what is wrong or unknown stops the start, and is named by its key."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from apa.config import ServerSettings, keys, load, load_or_exit
from apa.errors import InvalidArgument


class ToySettings(ServerSettings):
    model_config = SettingsConfigDict(env_prefix="APA_TOY_")

    colour: str = "red"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in list(os.environ):
        if key.startswith(("APA_", "REDIS_URL")):
            monkeypatch.delenv(key)


def refused() -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        load(ToySettings)
    return caught.value


def test_nothing_set_gives_the_defaults() -> None:
    assert load(ToySettings) == ToySettings()
    assert load(ToySettings).host == "127.0.0.1"


def test_keys_have_the_services_prefix_and_redis_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APA_TOY_PORT", "50051")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:1/0")
    settings = load(ToySettings)
    assert (settings.port, settings.redis_url) == (50051, "redis://elsewhere:1/0")
    assert keys(ToySettings)["port"] == "APA_TOY_PORT"
    assert keys(ToySettings)["redis_url"] == "REDIS_URL"


def test_a_bad_value_is_named_by_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APA_TOY_PORT", "high")
    error = refused()
    assert (error.field, error.found) == ("APA_TOY_PORT", "'high'")


def test_an_unknown_key_is_named_and_the_known_ones_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APA_TOY_COLOR", "blue")
    error = refused()
    assert error.field == "APA_TOY_COLOR"
    assert "APA_TOY_COLOUR" in error.expected


def test_keys_of_another_service_are_none_of_its_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APA_SAMPLER_NONSENSE", "1")
    monkeypatch.setenv("APA_TOY", "1")
    load(ToySettings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        ToySettings().port = 1


def test_a_program_ends_with_one_line_and_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APA_TOY_GRACE_S", "-1")
    with pytest.raises(SystemExit) as ended:
        load_or_exit(ToySettings)
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert "APA_TOY_GRACE_S" in printed
    assert len(printed.splitlines()) == 1
