"""Where the services are: an option, the environment, or the file that a running `apa up` keeps."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from apa.client import Client
from apa.errors import ApaError, FailedPrecondition, InvalidArgument, NotFound, Unavailable

RETRY_FOR_S = 3.0
"""A person waits: shorter than the client's own."""
METHOD_NOT_FOUND = "Method not found!"
"""What gRPC says when the address is that of some other service."""

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
    """A running stack.

    Attributes:
        metrics: name of a service to the URL of its metrics.
        prior_folders: directories of prior folders that it serves beside the shipped ones.
        started_at: Unix seconds.
    """

    sampler: str
    feedback: str
    redis_url: str
    metrics: dict[str, str]
    pid: int
    prior_folders: list[str] = field(default_factory=list)
    started_at: float = field(default_factory=time.time)


def state_folder() -> Path:
    """The user's own folder for what is to be found again, by the XDG convention."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "apa"


def publish(addresses: Addresses) -> None:
    """Leaves the addresses for other terminals; of several stacks, the one that was started last is found."""
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for found in _all():
        # Killed, and its number may be somebody else's one day.
        if not _is_alive(found.pid):
            withdraw(found.pid)
    beside = _file(addresses.pid).with_suffix(".partial")
    beside.write_text(json.dumps(asdict(addresses), indent=2) + "\n")
    beside.replace(_file(addresses.pid))


def withdraw(pid: int) -> None:
    """Takes the stack's file away."""
    _file(pid).unlink(missing_ok=True)


def running_stack() -> Addresses | None:
    """The stack of `apa up`; None when there is none, or when it was killed and left its file."""
    running = [found for found in _all() if _is_alive(found.pid)]
    return max(running, key=lambda found: found.started_at, default=None)


@contextmanager
def connect(*, sampler: str | None = None, feedback: str | None = None) -> Iterator[Client]:
    """A client of the services that a command needs.

    Args:
        sampler, feedback: None when not needed; "" for the running stack's.

    Raises:
        NotFound: an address is "", and there is no stack.
        InvalidArgument: an address is none.
    """
    stack = running_stack()
    needed = {"sampler": sampler, "feedback": feedback}
    found = {name: given or _address(name, stack) for name, given in needed.items() if given is not None}
    for name, address in found.items():
        _check_address(name, address)
    # A client connects to each service at its first call: one that is not needed may have any address.
    unused = next(iter(found.values()))
    with Client(
        sampler=found.get("sampler", unused), feedback=found.get("feedback", unused), retry_for_s=RETRY_FOR_S
    ) as client:
        try:
            yield client
        except ApaError as error:
            raise _with_addresses(error, found) from error


def feedback_if_known(feedback: str, sampler: str) -> str | None:
    """For `connect`, by a command that can do without this service; None when nobody says where it is.

    The running stack's is taken only when its sampler is: sessions of one stack mean nothing to another.
    """
    if feedback:
        return feedback
    return "" if not sampler and running_stack() is not None else None


def _check_address(name: str, address: str) -> None:
    if not re.fullmatch(r"\S+:\S+", address):
        raise InvalidArgument(
            "not an address", field=f"--{name}", expected="HOST:PORT, e.g. 127.0.0.1:50051", found=address
        )


def _with_addresses(error: ApaError, addresses: Mapping[str, str]) -> ApaError:
    """What gRPC says of a server, with the address that was tried."""
    options = " or ".join(f"--{name}" for name in addresses)
    tried = ", ".join(f"{name} at {address}" for name, address in addresses.items())
    if error.message == METHOD_NOT_FOUND:
        return FailedPrecondition(
            "the server is another service", field=options, expected=" and ".join(addresses), found=tried
        )
    if isinstance(error, Unavailable) and error.field == "server":
        return Unavailable(
            error.message,
            field=options,
            expected=error.expected,
            found=f"{tried}; {error.found}".rstrip("; "),
        )
    return error


def _address(name: str, stack: Addresses | None) -> str:
    if stack is None:
        raise NotFound(
            "no running stack",
            field=f"--{name}",
            expected=f"`apa up` in another terminal, --{name} HOST:PORT, or APA_{name.upper()}",
        )
    return stack.sampler if name == "sampler" else stack.feedback


def _file(pid: int) -> Path:
    return state_folder() / f"stack-{pid}.json"


def _all() -> list[Addresses]:
    try:
        read = [_read(path) for path in state_folder().glob("stack-*.json")]
    except OSError as error:
        raise FailedPrecondition(
            "the files of running stacks cannot be read",
            field="XDG_STATE_HOME",
            expected="a folder of this user's own",
            found=f"{error.filename or state_folder()} ({error.strerror})",
        ) from error
    return [found for found in read if found is not None]


def _read(path: Path) -> Addresses | None:
    try:
        return Addresses(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        # Its stack ended meanwhile, or it is one of another release.
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
