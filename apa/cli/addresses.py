"""Where the services are: an option, the environment, or the file that `apa up` leaves behind."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from apa.client import Client
from apa.errors import NotFound

FILE = "stack.json"
RETRY_FOR_S = 3.0
"""A person waits: shorter than the client's own."""

Sampler = Annotated[
    str,
    typer.Option(
        "--sampler", envvar="APA_SAMPLER", metavar="HOST:PORT", help="Default: the stack of `apa up`."
    ),
]
Feedback = Annotated[
    str,
    typer.Option(
        "--feedback", envvar="APA_FEEDBACK", metavar="HOST:PORT", help="Default: the stack of `apa up`."
    ),
]


@dataclass(frozen=True)
class Addresses:
    """A running stack. `metrics` maps the name of a service to the URL of its metrics."""

    sampler: str
    feedback: str
    redis_url: str
    metrics: dict[str, str]
    pid: int


def state_folder() -> Path:
    """The user's own folder for what is to be found again, by the XDG convention."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "apa"


def publish(addresses: Addresses) -> None:
    """Leaves the addresses for other terminals; the stack that was started last is the one found."""
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{FILE}.{addresses.pid}"
    beside.write_text(json.dumps(asdict(addresses), indent=2) + "\n")
    beside.replace(folder / FILE)


def withdraw(pid: int) -> None:
    """Takes the file away, unless another stack has written it since."""
    found = _read()
    if found is not None and found.pid == pid:
        (state_folder() / FILE).unlink(missing_ok=True)


def running_stack() -> Addresses | None:
    """The stack of `apa up`; None when there is none, or when it was killed and left its file."""
    found = _read()
    return found if found is not None and _is_alive(found.pid) else None


def connect(*, sampler: str | None = None, feedback: str | None = None) -> Client:
    """A client of the services that a command needs.

    Args:
        sampler, feedback: None when not needed; "" for the running stack's.

    Raises:
        NotFound: an address is "", and there is no stack.
    """
    stack = running_stack()
    needed = {"sampler": sampler, "feedback": feedback}
    found = {name: given or _address(name, stack) for name, given in needed.items() if given is not None}
    # A client connects to each service at its first call: one that is not needed may have any address.
    unused = next(iter(found.values()))
    return Client(
        sampler=found.get("sampler", unused), feedback=found.get("feedback", unused), retry_for_s=RETRY_FOR_S
    )


def _address(name: str, stack: Addresses | None) -> str:
    if stack is None:
        raise NotFound(
            "no running stack",
            field=f"--{name}",
            expected=f"`apa up` in another terminal, --{name} HOST:PORT, or APA_{name.upper()}",
        )
    return stack.sampler if name == "sampler" else stack.feedback


def _read() -> Addresses | None:
    try:
        return Addresses(**json.loads((state_folder() / FILE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
