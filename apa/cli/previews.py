"""How the heaviest particles of a run took shape: files beside the one that shows how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apa.cli import destinations
from apa.cli.grid import image_of, write_grid
from apa.client import Client, Preview, Progress, SampleResult
from apa.client.results import collect
from apa.errors import InvalidArgument

MOST_ROWS = 12
"""Steps in the picture, evenly chosen; the array has all that were received."""


def beside(path: Path) -> Path:
    """Where the previews of a file go: x.png has them in x.previews.png."""
    return path.with_name(f"{path.stem}.previews{path.suffix}")


def check_files(num_previews: int, png: Path | None, npy: Path | None) -> None:
    """Raises InvalidArgument where there is no file to write previews beside, or they cannot be written."""
    if not num_previews:
        return
    if png is None and npy is None:
        raise InvalidArgument(
            "previews are written beside a file",
            field="--previews",
            expected="--png or --npy with it",
            found=str(num_previews),
        )
    for path in (png, npy):
        if path is not None:
            destinations.check_writable(beside(path), "--previews")


def sampled(
    apa: Client, num_previews: int, session: str | None, **arguments: Any
) -> tuple[SampleResult, list[Preview]]:
    """A run, and what was previewed of it at every step; arguments as for `Client.sample`.

    With previews it is not repeated when a server goes away.
    """
    if not num_previews:
        return apa.sample(session, **arguments), []
    stream = apa.sample_stream(session, progress_every=1, preview_particles=num_previews, **arguments)
    events = list(stream)
    seen = [event.preview for event in events if isinstance(event, Progress) and event.preview is not None]
    return collect(events), seen


def write_previews(seen: Sequence[Preview], png: Path | None, npy: Path | None) -> None:
    """One row of pictures for each of some steps, and (steps, n, *data_shape); the heaviest first."""
    x = np.stack([preview.x_0_hat for preview in seen])
    if png is not None:
        chosen = np.unique(np.linspace(0, len(x) - 1, MOST_ROWS).round().astype(int))
        pictures = [image_of(one) for row in x[chosen] for one in row]
        destinations.write(
            beside(png), "--previews", lambda file: write_grid(pictures, file, columns=x.shape[1])
        )
    if npy is not None:
        destinations.write(beside(npy), "--previews", lambda file: np.save(file, x))
