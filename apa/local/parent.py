"""A child that does not outlive its parent."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from apa.local import child


def dying_with_parent(command: Sequence[str]) -> list[str]:
    """The command that runs `command` and is killed when this process ends, however it ends.

    Unchanged where the system has no such thing. Linux counts the thread that starts the child as its parent,
    so start children from a thread that lives as long as they should.

    The child asks for it itself, before it becomes the program. `preexec_fn` would ask in a copy of this
    process, where gRPC's threads are gone but its fork handlers run: such children were seen to die.
    """
    if sys.platform != "linux":
        return list(command)
    # Isolated and without site-packages: this Python lives for some milliseconds only.
    return [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), *command]
