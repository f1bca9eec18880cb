from __future__ import annotations

import torch

from apa.surrogates.reading import THUMBNAIL, Reading, flat, flat_dim
from tests.apa.surrogates.toys import ToyPrior, draw


def test_vectors_are_read_as_they_are_and_small_images_too() -> None:
    assert torch.equal(flat(torch.arange(6.0).reshape(2, 3)), torch.arange(6.0).reshape(2, 3))
    image = draw(ToyPrior((2, 8, 8)), 3)
    assert torch.equal(flat(image), image.flatten(1))


def test_larger_images_are_averaged_down_to_a_bounded_size() -> None:
    image = draw(ToyPrior((1, 28, 28)), 2)
    torch.testing.assert_close(
        flat(image).reshape(2, 14, 14)[:, 3, 5], image[:, 0, 6:8, 10:12].mean(dim=(1, 2))
    )
    for shape in ((3, 64, 64), (4, 33, 20), (1, 257, 256)):
        assert flat_dim(shape) == flat(torch.zeros(1, *shape)).shape[1] <= shape[0] * THUMBNAIL**2


def test_distances_stay_in_proportion() -> None:
    x = draw(ToyPrior(), 20)
    reading = Reading(x.mean(dim=0), torch.tensor(4.0))
    torch.testing.assert_close(4.0 * torch.pdist(reading.read(x)), torch.pdist(x))
