"""Latents become pictures one at a time on the engine's thread; images are pictures already."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sampler_service.decoding import decode
from sampler_service.scheduler import Limits
from sampler_service.service_loop import EngineThread
from sampler_service.showing_on_device import OnDevice
from tests.apa.priors.networks import small_unet_prior


class Latents:
    """A decoder that doubles the size, and notes where it runs."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def __call__(self, x: Tensor) -> Tensor:
        assert len(x) == 1
        self.threads.append(threading.current_thread().name)
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


@pytest.fixture
def engine() -> Iterator[EngineThread]:
    thread = EngineThread(Limits())
    thread.start()
    yield thread
    thread.stop()


@pytest.mark.parametrize("kind", ["latent", "image"])
def test_only_latents_are_the_engines_to_decode(kind: str, engine: EngineThread) -> None:
    prior, decoder = small_unet_prior(), Latents()
    prior.card = prior.card.model_copy(update={"kind": kind, "decoder": "png"})
    if kind == "latent":
        prior.to_images = decoder  # type: ignore[method-assign]
    # As it comes from the store: not writable.
    x = np.frombuffer(np.zeros((1, 8, 8), dtype=np.float32).tobytes(), dtype=np.float32).reshape(1, 8, 8)
    shown = decode(prior, x, OnDevice(engine).images)
    assert isinstance(shown, bytes)
    picture = Image.open(io.BytesIO(shown))
    assert picture.size == ((16, 16) if kind == "latent" else (8, 8))
    assert picture.getpixel((0, 0)) == 128
    assert decoder.threads == (["engine"] if kind == "latent" else [])


def test_without_an_engine_the_prior_decodes_where_it_is_called() -> None:
    prior, decoder = small_unet_prior(), Latents()
    prior.card = prior.card.model_copy(update={"kind": "latent", "decoder": "png"})
    prior.to_images = decoder  # type: ignore[method-assign]
    assert isinstance(decode(prior, torch.zeros(1, 8, 8).numpy()), bytes)
    assert decoder.threads == [threading.current_thread().name]
