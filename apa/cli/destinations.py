"""Files that a command will write: tried before it begins, so that no run is in vain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from apa.errors import InvalidArgument


def check_writable(path: Path, field: str) -> None:
    """Opens the file without changing it.

    Raises:
        InvalidArgument: it cannot be written; `field` is the option that named it.
    """
    is_new = not path.exists()
    try:
        with path.open("ab"):
            pass
        if is_new:
            path.unlink()
    except OSError as error:
        raise _unwritable(path, field, error) from error


def write(path: Path, field: str, content: Callable[[BinaryIO], object]) -> None:
    """Writes the file by `content(file)`. Raises InvalidArgument as `check_writable` does."""
    try:
        with path.open("wb") as file:
            content(file)
    except OSError as error:
        raise _unwritable(path, field, error) from error


def make_folder(path: Path, field: str) -> None:
    """Makes the folder where there is none. Raises InvalidArgument when that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(
            "the folder cannot be made",
            field=field,
            expected="a folder, or a place where one may be made",
            found=f"{path} ({error.strerror or error})",
        ) from error


def check_folders(paths: list[Path], field: str) -> None:
    """Raises InvalidArgument for the first that is no directory: a wrong path is not an empty one."""
    for path in paths:
        if not path.is_dir():
            raise InvalidArgument(
                "no such directory", field=field, expected="an existing directory", found=str(path)
            )


def _unwritable(path: Path, field: str, error: OSError) -> InvalidArgument:
    return InvalidArgument(
        "the file cannot be written",
        field=field,
        expected="a file in an existing folder that may be written to",
        found=f"{path} ({error.strerror or error})",
    )
