"""Pictures and arrays of how a run took shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from apa.cli.previews import beside, write_previews
from apa.client import Preview


def seen(num_steps: int, *shape: int) -> list[Preview]:
    """Two particles at each step: black at the first step, white at the last."""
    shades = np.linspace(-1, 1, num_steps, dtype=np.float32)
    return [Preview((1, 0), np.full((2, *shape), shade, np.float32), np.zeros(2)) for shade in shades]


def test_a_picture_has_a_row_for_each_of_at_most_twelve_steps_from_first_to_last(tmp_path: Path) -> None:
    for num_steps, rows in ((5, 5), (100, 12)):
        write_previews(seen(num_steps, 1, 28, 28), tmp_path / "x.png", None)
        picture = np.asarray(Image.open(tmp_path / "x.previews.png"))
        assert picture.shape == (rows * 116 + 4, 2 * 116 + 4, 3)
        assert picture[60, [60, 180], 0].tolist() == [0, 0]
        assert picture[-60, [60, 180], 0].tolist() == [255, 255]


def test_one_step_is_one_row(tmp_path: Path) -> None:
    write_previews(seen(1, 3, 8, 8), tmp_path / "x.png", None)
    assert Image.open(tmp_path / "x.previews.png").size == (2 * 100 + 4, 104)


def test_an_array_has_every_step(tmp_path: Path) -> None:
    write_previews(seen(100, 4), None, tmp_path / "x.npy")
    assert np.load(tmp_path / "x.previews.npy").shape == (100, 2, 4)
    assert list(tmp_path.iterdir()) == [beside(tmp_path / "x.npy")]
