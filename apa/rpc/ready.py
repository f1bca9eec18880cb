"""How a part says where it listens. Knows no gRPC: the trainer uses it too."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ready:
    """Where a part listens; `port` is 0 for a part without gRPC."""

    name: str
    port: int
    metrics_port: int


def announce(ready: Ready, ready_file: Path | None) -> None:
    """Writes the file, beside and moved so that nobody reads half of it; then prints the ready line."""
    if ready_file is not None:
        beside = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        beside.write_text(json.dumps(asdict(ready)))
        beside.replace(ready_file)
    print(f"ready {ready.name} port={ready.port} metrics_port={ready.metrics_port}", flush=True)  # noqa: T201


def read_ready(ready_file: Path) -> Ready | None:
    """What a part has announced; None before it has."""
    try:
        return Ready(**json.loads(ready_file.read_text()))
    except FileNotFoundError:
        return None
