"""Beside `diffusers`: the same guided sampling of the same network, in the loop that its users write."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor

from apa.priors import Prior, load_prior
from apa.priors.diffusers_folder import DiffusersConfig
from apa.priors.folder import save_adapted
from apa.records.prior_card import PriorCard
from apa.records.sampling import CorrectorName, SamplingConfig
from benchmarks.report import Row, Scale, ratios, row
from sampler_service import sample
from sampler_service.potential import DenoisedRewardPotential

SHAPE = (1, 28, 28)
NUM_PARTICLES, NUM_STEPS, BETA = 8, 10, 2.0


def measure(scale: Scale) -> list[Row]:
    """Our seconds come second in each ratio: above 1 we are faster."""
    repeats = scale.pick(7, 2)
    with tempfile.TemporaryDirectory() as folder:
        unet, scheduler = _network(), _scheduler()
        prior = _adopted(Path(folder), unet, scheduler)

    def theirs() -> Tensor:
        return _guided_loop(unet, scheduler)

    def ours(corrector: CorrectorName) -> Tensor:
        config = SamplingConfig(
            num_steps=NUM_STEPS, beta=BETA, corrector=corrector, integrator="ancestral", seed=0
        )
        return sample(prior, DenoisedRewardPotential(_reward), config, num_particles=NUM_PARTICLES).x

    note = f"UNet2DModel, {NUM_PARTICLES} images, {NUM_STEPS} steps"
    return [
        row(
            "guidance against the same in diffusers' own loop, particles per second",
            ratios(theirs, lambda: ours("guidance"), repeats),
            note=note,
        ),
        row(
            "twisted, with its weights, against guidance in diffusers' own loop",
            ratios(theirs, lambda: ours("twisted"), repeats),
            note=f"{note} and one more evaluation",
        ),
    ]


def _guided_loop(unet: Any, scheduler: Any) -> Tensor:
    """Ancestral steps of the library, each moved by its variance times beta grad r(x_0_hat)."""
    scheduler.set_timesteps(NUM_STEPS)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(NUM_PARTICLES, *SHAPE, generator=generator)
    for i, t in enumerate(scheduler.timesteps):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            step = scheduler.step(unet(x, t).sample, t, x, generator=generator)
            (grad,) = torch.autograd.grad(_reward(step.pred_original_sample).sum(), x)
        # As `guidance` has it: beta grows from 0, and a step takes what it has where it departs.
        beta = BETA * i / NUM_STEPS
        x = step.prev_sample.detach() + scheduler._get_variance(t) * beta * grad
    return x


def _reward(x: Tensor) -> Tensor:
    """Brightness."""
    return x.flatten(1).mean(dim=1)


def _network() -> Any:
    torch.manual_seed(0)
    network = UNet2DModel(
        sample_size=SHAPE[-1],
        in_channels=1,
        out_channels=1,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
    )
    return network.eval().requires_grad_(False)


def _scheduler() -> Any:
    return DDPMScheduler(clip_sample=False)


def _adopted(folder: Path, unet: Any, scheduler: Any) -> Prior:
    unet.save_pretrained(folder / "model" / "unet")
    scheduler.save_pretrained(folder / "model" / "scheduler")
    card = PriorCard(name="peer", kind="image", data_shape=SHAPE, decoder="png", feature_dim=64)
    save_adapted(folder / "peer", DiffusersConfig(path="../model"), card)
    return load_prior(folder / "peer")
