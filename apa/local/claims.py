"""What a stack needs, found out before anything starts: its ports, its folder, a Redis that answers."""

from __future__ import annotations

import fcntl
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from apa.config import LOOPBACK
from apa.errors import FailedPrecondition, InvalidArgument, Unavailable
from apa.store.connection import connect, ping

LOCK_FILE = "lock"
PING_TIMEOUT_S = 2.0


def check_ports(ports: Mapping[str, int]) -> None:
    """Each port by the name of what sets it; 0 is any free one.

    Raises:
        InvalidArgument: two are the same.
        Unavailable: one is taken, or not for this user.
    """
    fixed = {field: port for field, port in ports.items() if port}
    for field, port in fixed.items():
        others = [other for other, same in fixed.items() if same == port and other != field]
        if others:
            raise InvalidArgument(
                f"port {port} is wanted twice",
                field=field,
                expected=f"another than {others[0]}",
                found=str(port),
            )
        _check_free(field, port)


def _check_free(field: str, port: int) -> None:
    with socket.socket() as probe:
        # As a server does it: connections of an earlier one that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError as error:
            raise Unavailable(
                f"port {port} cannot be used",
                field=field,
                expected="a free port, or 0 for any",
                found=f"{LOOPBACK}:{port}: {error.strerror}",
            ) from error


@contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """The folder, made if need be, and no other stack's until the end of the block.

    Two servers that append to the same files would ruin them.

    Raises:
        InvalidArgument: it cannot be made or written to.
        FailedPrecondition: another stack runs on it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK_FILE).open("w")
    except OSError as error:
        raise InvalidArgument(
            "the folder cannot be used",
            field="folder",
            expected="a directory that may be written to, or made",
            found=f"{folder} ({error.strerror})",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FailedPrecondition(
                "another stack runs on this folder",
                field="folder",
                expected="a folder of its own",
                found=str(folder),
            ) from error
        yield folder


def check_redis(url: str) -> None:
    """Raises InvalidArgument for what is no URL, Unavailable when no server answers there."""
    hidden = re.sub(r"//[^@/]*@", "//***@", url)
    try:
        ping(connect(url, timeout_s=PING_TIMEOUT_S))
    except ValueError as error:
        raise InvalidArgument(
            "not the URL of a Redis", field="REDIS_URL", expected="redis://HOST:PORT/0", found=hidden
        ) from error
    except Unavailable as error:
        raise Unavailable(
            "the Redis of REDIS_URL cannot be used",
            field="REDIS_URL",
            expected="a server that answers, or no REDIS_URL for one of the stack's own",
            found=f"{hidden}: {error.found}",
        ) from error
