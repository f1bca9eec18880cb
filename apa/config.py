"""Settings from the environment: one frozen class per service, and no start with a wrong or unknown key."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from apa.errors import InvalidArgument
from apa.records.validation import invalid_argument

LOOPBACK = "127.0.0.1"


class Settings(BaseSettings):
    """What every part has. A service's own class sets `env_prefix`, e.g. `APA_SAMPLER_`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )

    redis_url: str = Field(default="redis://127.0.0.1:6379/0", validation_alias="REDIS_URL")
    """The data Redis, from REDIS_URL: all parts share one, so that its key has no prefix."""
    host: str = LOOPBACK
    """Address to listen on."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """HTTP port of /metrics and /healthz; 0 for a free one."""
    ready_file: Path | None = None
    """Where to write the ports as JSON once serving; None writes nothing."""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")


class ServerSettings(Settings):
    """What every gRPC server has."""

    port: int = Field(default=0, ge=0, le=65535)
    """gRPC port; 0 for a free one."""
    grace_s: float = Field(default=10.0, ge=0.0, le=3600.0)
    """Seconds that running calls are given to finish when the server is told to stop."""
    max_message_bytes: int = Field(default=16 * 1024 * 1024, ge=64 * 1024, le=1024**3)
    """Largest message that is received or sent."""


AnySettings = TypeVar("AnySettings", bound=Settings)


def load(cls: type[AnySettings], environ: Mapping[str, str] | None = None) -> AnySettings:
    """The settings of a service from the environment.

    Raises:
        InvalidArgument: a value is wrong, or a key with the service's prefix is none of its settings.
    """
    _refuse_unknown(cls, os.environ if environ is None else environ)
    try:
        return cls()
    except ValidationError as error:
        raise _named_by_key(cls, error) from error


def load_or_exit(cls: type[AnySettings]) -> AnySettings:
    """`load` for a `__main__`: one line on stderr and exit code 2 instead of a traceback."""
    try:
        return load(cls)
    except InvalidArgument as error:
        print(f"configuration: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from error


def keys(cls: type[Settings]) -> dict[str, str]:
    """Field name to the environment key that sets it."""
    prefix = str(cls.model_config.get("env_prefix", "")).upper()
    return {
        name: str(field.validation_alias) if field.validation_alias else f"{prefix}{name.upper()}"
        for name, field in cls.model_fields.items()
    }


def _refuse_unknown(cls: type[Settings], environ: Mapping[str, str]) -> None:
    """pydantic-settings passes over keys that it does not know: a typing error would go unnoticed."""
    prefix = str(cls.model_config.get("env_prefix", "")).upper()
    known = set(keys(cls).values())
    unknown = sorted(
        key for key in environ if prefix and key.upper().startswith(prefix) and key.upper() not in known
    )
    if unknown:
        expected = ", ".join(sorted(key for key in known if key.startswith(prefix)))
        raise InvalidArgument(
            f"unknown setting {unknown[0]}", field=unknown[0], expected=f"one of {expected}"
        )


def _named_by_key(cls: type[Settings], error: ValidationError) -> InvalidArgument:
    ours = invalid_argument(error)
    name, *rest = ours.field.split(".")
    key = ".".join([keys(cls).get(name, name), *rest])
    return InvalidArgument(ours.message, field=key, expected=ours.expected, found=ours.found)
