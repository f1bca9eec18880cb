"""`apa` as a program of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import Parameter, signature
from typing import get_args, get_type_hints

import pytest
import typer
from typer.models import OptionInfo

from apa.cli import main
from apa.cli.ranges import SAMPLER_DEFAULTS
from sampler_service.config import SamplerSettings

COMMANDS = [
    "",
    "up",
    "sample",
    "feedback",
    "prior",
    "prior list",
    "prior show",
    "session",
    "session create",
    "session show",
    "session list",
]


def apa(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from apa.cli.main import main; main()", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "100"}
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = apa(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: {' '.join(['-c', *command.split()])}" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("command", "option"), [("demo", "--seed"), ("prior fit", "--seed"), ("prior draw", "--size")]
)
def test_a_command_that_needs_torch_explains_itself_in_its_own_words(command: str, option: str) -> None:
    done = apa(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: apa {command} [OPTIONS]" in done.stdout
    assert option in done.stdout


def callbacks(app: typer.Typer) -> Iterator[Callable[..., object]]:
    yield from (command.callback for command in app.registered_commands if command.callback)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from callbacks(group.typer_instance)


def options() -> Iterator[tuple[str, str, object, str]]:
    """Name, type, default and help of every option of every command."""
    for callback in callbacks(main.app):
        hints = get_type_hints(callback, include_extras=True)
        for parameter in signature(callback).parameters.values():
            kind, *extras = get_args(hints[parameter.name]) or (hints[parameter.name],)
            for info in extras:
                if isinstance(info, OptionInfo):
                    name = f"{callback.__name__} {parameter.name}"
                    yield name, str(kind), parameter.default, info.help or ""


def test_every_option_says_its_default() -> None:
    shown_by_typer = (int, float, bool)
    silent = [
        name
        for name, _, default, text in options()
        if default is not Parameter.empty
        and not (isinstance(default, shown_by_typer) or "Default: " in text or text.startswith("Default"))
    ]
    assert silent == []


def test_every_number_says_its_range() -> None:
    silent = [
        name
        for name, kind, _, text in options()
        if ("int" in kind or "float" in kind) and not re.search(r"\d to \d|from \d", text)
    ]
    assert silent == []


def test_the_defaults_that_are_the_samplers_are_what_the_help_says() -> None:
    settings = SamplerSettings()
    assert {name: getattr(settings, name) for name in SAMPLER_DEFAULTS} == SAMPLER_DEFAULTS


def test_the_command_starts_without_torch_and_without_the_servers_packages() -> None:
    code = """
import sys
import apa.cli.main
others = ("torch", "redis", "celery", "prometheus_client", "pydantic_settings")
print([name for name in others if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
