"""Features that are kept: asked for once, told apart by prior, level and vector, bounded."""

from __future__ import annotations

import threading

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from sampler_service.item_features import MAX_TABLES, ItemFeatures

WIDTH = 3


class Denoiser:
    """Features are the item's number times 1, 2, 3; it notes for which it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, x: NDArray[np.float32]) -> Tensor:
        self.asked += x[:, 0].tolist()
        return torch.from_numpy(x[:, :1] * np.arange(1, WIDTH + 1, dtype=np.float32))


def items(*numbers: float) -> NDArray[np.float32]:
    return np.array([[number, 1.0] for number in numbers], dtype=np.float32)


def test_an_item_is_asked_for_once() -> None:
    kept, denoiser = ItemFeatures(), Denoiser()
    kept.of("prior", 6.0, items(1, 2), denoiser)
    found = kept.of("prior", 6.0, items(3, 2, 1), denoiser)
    assert found[:, 0].tolist() == [3.0, 2.0, 1.0]
    assert denoiser.asked == [1.0, 2.0, 3.0]


def test_another_prior_level_or_vector_is_another_item() -> None:
    kept, denoiser = ItemFeatures(), Denoiser()
    for content_hash, level in (("a", 6.0), ("b", 6.0), ("a", 5.0)):
        kept.of(content_hash, level, items(1), denoiser)
    kept.of("a", 6.0, items(1) + np.float32(1e-6), denoiser)
    assert len(denoiser.asked) == 4


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=20), max_size=12), st.integers(0, 12))
def test_whatever_is_asked_the_answer_is_the_denoisers(asked: list[list[int]], capacity: int) -> None:
    kept = ItemFeatures(max_bytes=capacity * WIDTH * 4)
    for numbers in asked:
        found = kept.of("prior", 6.0, items(*numbers), Denoiser())
        assert found.tolist() == Denoiser()(items(*numbers)).tolist()


def test_the_least_recently_used_goes_first() -> None:
    kept, denoiser = ItemFeatures(max_bytes=2 * WIDTH * 4), Denoiser()
    for number in (1, 2, 1, 3, 1, 2):
        kept.of("prior", 6.0, items(number), denoiser)
    assert denoiser.asked == [1.0, 2.0, 3.0, 2.0]


def test_tables_are_bounded_too() -> None:
    kept, denoiser = ItemFeatures(), Denoiser()
    for prior in [*range(MAX_TABLES + 1), 0]:
        kept.of(str(prior), 6.0, items(1), denoiser)
    assert len(denoiser.asked) == MAX_TABLES + 2


def test_many_threads_get_their_own_items() -> None:
    kept, wrong = ItemFeatures(max_bytes=50 * WIDTH * 4), []

    def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(200):
            numbers = rng.integers(0, 80, 10).tolist()
            found = kept.of("prior", 6.0, items(*numbers), Denoiser())[:, 0].tolist()
            if found != [float(number) for number in numbers]:
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
