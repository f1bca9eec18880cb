"""Pictures of many items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apa.cli.grid import images_of, write_grid
from apa.client import Finished, Particles, SampleResult, SamplingOverrides, Started
from apa.errors import FailedPrecondition


def result(x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> SampleResult:
    started = Started("run", "request", "toy", "", SamplingOverrides(), len(x))
    finished = Finished(None, None, (), 0, 0, 0, 0.0, 0.0)
    return SampleResult(started, None, Particles(x, np.zeros(len(x))), finished)


@pytest.mark.parametrize("channels", [1, 3])
def test_particles_become_tiles_from_black_to_white(channels: int, tmp_path: Path) -> None:
    x = np.full((5, channels, 28, 28), -1, dtype=np.float32)
    x[4] = 1
    with (tmp_path / "grid.png").open("wb") as file:
        write_grid(images_of(result(x)), file)
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert grid.shape == (2 * 112 + 3 * 4, 3 * 112 + 4 * 4, 3)
    assert grid[60, 60].tolist() == [0, 0, 0]
    assert grid[180, 180].tolist() == [255, 255, 255]


def test_vectors_are_not_drawn() -> None:
    with pytest.raises(FailedPrecondition):
        images_of(result(np.zeros((5, 32), dtype=np.float32)))
