"""A `diffusers` folder in the sampler: twisted by a surrogate on its features, decoded only where shown."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from apa.priors import load_prior
from apa.priors.diffusers_prior import DiffusersPrior
from apa.records.sampling import SamplingConfig
from sampler_service import sample
from sampler_service.decoding import decode
from sampler_service.population import Population
from tests.apa.priors.small_diffusers import save_prior_folder, save_text_to_image, save_unconditional
from trainer_worker.fit import fit
from trainer_worker.observations import Observations

pytestmark = pytest.mark.slow
pytest.importorskip("diffusers")

CONFIG = SamplingConfig(
    num_steps=6, beta=2.0, corrector="twisted", integrator="ancestral", grid="log_snr", seed=1
)


def _steered(prior: DiffusersPrior) -> Population:
    """N = 12, by a linear head on the prior's features that likes bright particles."""
    x = torch.randn(8, *prior.data_shape, generator=torch.Generator().manual_seed(0))
    surrogate = fit("linear", prior, Observations.scalar(x, x.mean(dim=(1, 2, 3))), seed=0)
    return sample(prior, surrogate, CONFIG, num_particles=12)


def _scheduler() -> Any:
    from diffusers import DDPMScheduler

    return DDPMScheduler(clip_sample=False, prediction_type="v_prediction")


def test_an_unconditional_folder_is_sampled_and_shown(tmp_path: Path) -> None:
    save_unconditional(tmp_path / "model", _scheduler())
    prior = load_prior(save_prior_folder(tmp_path / "mine"))
    assert isinstance(prior, DiffusersPrior)
    population = _steered(prior)
    assert population.x.shape == (12, 3, 8, 8)
    assert torch.isfinite(population.log_weights).all()
    shown = decode(prior, population.x[0].numpy())
    assert isinstance(shown, bytes)
    assert Image.open(io.BytesIO(shown)).size == (8, 8)


def test_latents_are_steered_and_only_what_is_shown_is_decoded(tmp_path: Path) -> None:
    save_text_to_image(tmp_path / "model", _scheduler())
    prior = load_prior(save_prior_folder(tmp_path / "mine", prompt="red shoe", guidance_scale=2.0))
    assert isinstance(prior, DiffusersPrior)
    decoded: list[int] = []
    prior.model.autoencoder.decoder.register_forward_hook(
        lambda _module, inputs, _output: decoded.append(len(inputs[0]))
    )
    population = _steered(prior)
    assert population.x.shape == (12, 4, 8, 8)
    assert decoded == []
    shown = [decode(prior, population.x[row].numpy()) for row in (0, 3, 5)]
    assert sum(decoded) == 3
    for png in shown:
        assert isinstance(png, bytes)
        assert Image.open(io.BytesIO(png)).size == (16, 16)
