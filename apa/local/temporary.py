"""A temporary folder that goes away however its owner ends."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Waits for the end of its input, which is the end of its owner. The second try is for a child of the owner
# that was still writing while it died.
JANITOR = 'cat >/dev/null; rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }'


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is removed at the end of the block, or when this process is killed."""
    folder = Path(tempfile.mkdtemp(prefix="apa-"))
    janitor = subprocess.Popen(
        ["/bin/sh", "-c", JANITOR, "janitor", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is not its end.
        start_new_session=True,
    )
    assert janitor.stdin is not None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        janitor.stdin.close()
        janitor.wait()
