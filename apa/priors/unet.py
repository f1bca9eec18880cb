"""A small U-Net denoiser for images: a CPU steps 32 particles in well under a tenth of a second."""

from __future__ import annotations

from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from apa.errors import InvalidArgument
from apa.priors.blocks import (
    Attention,
    FilmConvBlock,
    LabelEmbedding,
    NoiseEmbedding,
    group_norm,
    mean_and_spread,
    zero_init,
)
from apa.priors.network import DenoiserNetwork


class UNetConfig(BaseModel):
    """The architecture, as stored in a prior folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_shape: tuple[int, int, int]
    """(C, H, W); H and W divisible by 4."""
    width: int = Field(default=48, ge=16, multiple_of=16)
    """Channels at half resolution; a quarter resolution has twice as many."""
    num_blocks: int = Field(default=2, ge=1, le=8)
    """Residual blocks per level, in each half."""
    num_heads: int = Field(default=4, ge=1)
    embedding_dim: int = Field(default=128, ge=8)
    num_classes: int = Field(default=0, ge=0)
    """Classes that it can be conditioned on; 0 for a network that takes no labels."""


class _State(NamedTuple):
    """What the decoder needs of the encoder."""

    middle: Tensor
    skips: list[Tensor]
    embedding: Tensor


class UNet(DenoiserNetwork):
    """Half resolution, a quarter with attention, and back, with a skip from every block.

    The first layer folds 2 x 2 pixels into channels: at full resolution a CPU would spend most of its time on
    little.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        _check_shape(config.data_shape)
        channels = config.data_shape[0]
        self.config = config
        self.data_shape = config.data_shape
        half, quarter, dim = config.width, 2 * config.width, config.embedding_dim
        self.feature_dim = 2 * quarter
        self.embed = NoiseEmbedding(dim)
        self.stem = nn.Conv2d(4 * channels, half, 3, padding=1)
        blocks = range(config.num_blocks)
        self.down_half = nn.ModuleList(FilmConvBlock(half, half, dim) for _ in blocks)
        self.shrink = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.down_quarter = nn.ModuleList(FilmConvBlock(quarter, quarter, dim) for _ in blocks)
        self.attention = Attention(quarter, config.num_heads)
        self.middle = FilmConvBlock(quarter, quarter, dim)
        self.up_quarter = nn.ModuleList(FilmConvBlock(2 * quarter, quarter, dim) for _ in blocks)
        self.up_attention = Attention(quarter, config.num_heads)
        self.grow = nn.Conv2d(quarter, 4 * half, 1)
        self.up_half = nn.ModuleList(FilmConvBlock(2 * half, half, dim) for _ in blocks)
        self.norm = group_norm(half)
        self.out = zero_init(nn.Conv2d(half, 4 * channels, 3, padding=1))
        self.num_classes = config.num_classes
        self.label = LabelEmbedding(config.num_classes, dim) if config.num_classes else None
        # Channels last: one and a half times faster on a CPU, and no slower on a GPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, x: Tensor, log_snr: Tensor, labels: Tensor | None = None) -> tuple[Tensor, _State]:
        embedding = self.embed(log_snr)
        if self.label is not None:
            embedding = self.label(labels, embedding)
        h = self.stem(functional.pixel_unshuffle(x, 2))
        skips = []
        for block in self.down_half:
            h = block(h, embedding)
            skips.append(h)
        h = self.shrink(h)
        for block in self.down_quarter:
            h = block(h, embedding)
            skips.append(h)
        h = self.middle(self.attention(h), embedding)
        return mean_and_spread(h), _State(h, skips, embedding)

    def decode(self, state: _State) -> Tensor:
        h, skips, embedding = state.middle, list(state.skips), state.embedding
        for block in self.up_quarter:
            h = block(torch.cat([h, skips.pop()], dim=1), embedding)
        h = functional.pixel_shuffle(self.grow(self.up_attention(h)), 2)
        for block in self.up_half:
            h = block(torch.cat([h, skips.pop()], dim=1), embedding)
        return functional.pixel_shuffle(self.out(functional.silu(self.norm(h))), 2)


def _check_shape(data_shape: tuple[int, int, int]) -> None:
    if min(data_shape) < 1 or data_shape[1] % 4 or data_shape[2] % 4:
        raise InvalidArgument(
            "an image prior needs height and width divisible by 4",
            field="data_shape",
            expected="(C, H, W) with H and W multiples of 4",
            found=str(tuple(data_shape)),
        )
