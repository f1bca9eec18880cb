"""A `diffusers` network as a prior: its noise levels, its kind of output, its prompt and its decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from apa.priors.base import Denoised, Prior
from apa.priors.blocks import mean_and_spread
from apa.priors.conditioned import guided
from apa.priors.middle import Middle
from apa.priors.noise_table import NoiseTable
from apa.records.prior_card import PriorCard

PredictionType = Literal["epsilon", "sample", "v_prediction"]


@dataclass(frozen=True)
class OutputReading:
    """How the network's output becomes x_0_hat.

    Attributes:
        prediction_type: what the network was trained to say.
        clip: x_0_hat is kept within +-clip; None for no bound.
    """

    prediction_type: PredictionType
    clip: float | None

    def x_0_hat(self, x_t: Tensor, output: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """(N, *data_shape); a and s broadcast against it."""
        if self.prediction_type == "epsilon":
            x_0_hat = (x_t - s * output) / a
        elif self.prediction_type == "v_prediction":
            x_0_hat = a * x_t - s * output
        else:
            x_0_hat = output
        return x_0_hat if self.clip is None else x_0_hat.clamp(-self.clip, self.clip)


@dataclass(frozen=True, eq=False)
class Prompt:
    """A text, embedded once.

    Attributes:
        positive, negative: (1, L, E), of the prompt and of what guidance leads away from.
        guidance_scale: 0 is the negative, 1 the prompt, more exaggerates it.
    """

    positive: Tensor
    negative: Tensor
    guidance_scale: float

    def to(self, device: torch.device | str) -> Prompt:
        return Prompt(self.positive.to(device), self.negative.to(device), self.guidance_scale)


@dataclass(frozen=True, eq=False)
class DiffusersModel:
    """What was read from a `diffusers` folder.

    Attributes:
        unet: a `UNet2DModel`, or with a prompt a `UNet2DConditionModel`.
        prompt: None for an unconditional network.
        autoencoder: decodes latents to images; None where the network works on the images themselves.
    """

    unet: Any
    noise: NoiseTable
    reading: OutputReading
    prompt: Prompt | None = None
    autoencoder: Any = None

    @property
    def data_shape(self) -> tuple[int, int, int]:
        config = self.unet.config
        size = config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        return config.in_channels, height, width

    @property
    def feature_dim(self) -> int:
        return 2 * int(self.unet.config.block_out_channels[-1])

    def to(self, device: torch.device | str) -> DiffusersModel:
        """The same on another device, in float32, frozen; the networks are moved, not copied."""
        for module in (self.unet, self.autoencoder):
            if isinstance(module, nn.Module):
                module.float().to(device).eval().requires_grad_(False)
        prompt = None if self.prompt is None else self.prompt.to(device)
        return DiffusersModel(self.unet, self.noise, self.reading, prompt, self.autoencoder)


class DiffusersPrior(Prior):
    """A frozen `diffusers` network.

    The features are the middle block's activations, pooled; with a prompt, those of its own pass, see
    `ConditionedPrior`. Two passes, not one of twice the batch: a gradient of the features visits only one.
    """

    def __init__(self, model: DiffusersModel, card: PriorCard, content_hash: str) -> None:
        self.model = model
        self.schedule = model.noise.schedule
        self.card = card
        self.content_hash = content_hash
        self._middle = Middle(model.unet.mid_block)

    def denoise(self, x_t: Tensor, t: Tensor) -> Denoised:
        prompt = self.model.prompt
        text = None if prompt is None else prompt.positive
        output, middle = self._middle.both(lambda: self._output(x_t, t, text))
        if prompt is not None and prompt.guidance_scale != 1.0:
            output = guided(self._output(x_t, t, prompt.negative), output, prompt.guidance_scale)
        shape = (-1,) + (1,) * (x_t.dim() - 1)
        a, s = self.schedule.scale(t).reshape(shape), self.schedule.std(t).reshape(shape)
        return Denoised(self.model.reading.x_0_hat(x_t, output, a, s), mean_and_spread(middle))

    def features(self, x_t: Tensor, t: Tensor) -> Tensor:
        prompt = self.model.prompt
        text = None if prompt is None else prompt.positive
        return mean_and_spread(self._middle.only(lambda: self._output(x_t, t, text)))

    @torch.no_grad()
    def to_images(self, x: Tensor) -> Tensor:
        autoencoder = self.model.autoencoder
        if autoencoder is None:
            return x
        config = autoencoder.config
        latents = x.to(self.model.unet.device) / config.scaling_factor + (config.shift_factor or 0.0)
        images: Tensor = autoencoder.decode(latents, return_dict=False)[0]
        return images

    def _output(self, x_t: Tensor, t: Tensor, text: Tensor | None) -> Tensor:
        """(N, *data_shape), what the network says at (x_t, t); a variance that it says too is left out."""
        level = self.model.noise.level(self.schedule.log_snr(t))
        texts = () if text is None else (text.expand(len(x_t), -1, -1),)
        output: Tensor = self.model.unet(x_t, level, *texts, return_dict=False)[0]
        return output[:, : x_t.shape[1]]
