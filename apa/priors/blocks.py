"""Building blocks that the denoisers share: the noise-level embedding and the FiLM residual blocks.

Everything is differentiable in x and in the log-SNR, also twice; the attention is written out because fused
attention kernels lack second derivatives.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

_GROUP_SIZE = 16
_Layer = TypeVar("_Layer", nn.Linear, nn.Conv2d)


class NoiseEmbedding(nn.Module):
    """log-SNR (N,) to (N, dim): sines and cosines of slow to fast frequencies, then two linear layers."""

    frequencies: Tensor

    def __init__(self, dim: int, num_frequencies: int = 16) -> None:
        super().__init__()
        # log-SNR runs over about (-10, 10) and matters at a scale of about half a unit at the finest.
        frequencies = torch.logspace(math.log10(0.05), math.log10(3.0), num_frequencies)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(2 * num_frequencies, dim), nn.SiLU(), nn.Linear(dim, dim), nn.SiLU()
        )

    def forward(self, log_snr: Tensor) -> Tensor:
        angles = log_snr[:, None] * self.frequencies
        embedded: Tensor = self.layers(torch.cat([angles.sin(), angles.cos()], dim=1))
        return embedded


class LabelEmbedding(nn.Module):
    """Labels (N,) to (N, dim), added to the noise embedding; a row of its own stands for no label.

    It starts as nothing, so that a network begins as its unlabelled self.
    """

    def __init__(self, num_classes: int, dim: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.table = nn.Embedding(num_classes + 1, dim)
        nn.init.zeros_(self.table.weight)

    def forward(self, labels: Tensor | None, embedding: Tensor) -> Tensor:
        """(N, dim): the noise embedding (N, dim) with that of the labels; None where no item has one."""
        if labels is None:
            return embedding + self.table.weight[self.num_classes]
        out: Tensor = embedding + self.table(labels)
        return out


class FilmConvBlock(nn.Module):
    """x + conv(silu(film(norm(conv(silu(norm(x))))))): (N, C_in, H, W) to (N, C_out, H, W)."""

    def __init__(self, channels_in: int, channels_out: int, embedding_dim: int) -> None:
        super().__init__()
        self.norm_in = group_norm(channels_in)
        self.conv_in = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.film = zero_init(nn.Linear(embedding_dim, 2 * channels_out))
        self.norm_out = group_norm(channels_out)
        self.conv_out = zero_init(nn.Conv2d(channels_out, channels_out, 3, padding=1))
        same = channels_in == channels_out
        self.skip: nn.Module = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv_in(functional.silu(self.norm_in(x)))
        gain, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.norm_out(h) * (1.0 + gain) + shift
        h = self.conv_out(functional.silu(h))
        out: Tensor = self.skip(x) + h
        return out


class FilmLinearBlock(nn.Module):
    """The same residual block for vectors: (N, C) to (N, C)."""

    def __init__(self, width: int, embedding_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.film = zero_init(nn.Linear(embedding_dim, 2 * width))
        self.linear_in = nn.Linear(width, width)
        self.linear_out = zero_init(nn.Linear(width, width))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        gain, shift = self.film(embedding).chunk(2, dim=1)
        h = self.linear_in(self.norm(x) * (1.0 + gain) + shift)
        out: Tensor = x + self.linear_out(functional.silu(h))
        return out


class Attention(nn.Module):
    """Residual self-attention over the H * W positions: (N, C, H, W) to the same."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = group_norm(channels)
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1)
        self.project = zero_init(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        per_head = (n, 3, self.num_heads, channels // self.num_heads, height * width)
        query, key, value = self.query_key_value(self.norm(x)).reshape(per_head).unbind(1)
        logits = query.transpose(-1, -2) @ key / math.sqrt(channels // self.num_heads)
        mixed = value @ logits.softmax(dim=-1).transpose(-1, -2)
        out: Tensor = x + self.project(mixed.reshape(n, channels, height, width))
        return out


def mean_and_spread(middle: Tensor) -> Tensor:
    """(N, 2 C) of (N, C, H, W): each channel's mean and standard deviation over the positions.

    On few labels a linear head reads the classes better from both than from the mean alone.
    """
    variance = middle.var(dim=(2, 3), unbiased=False)
    return torch.cat([middle.mean(dim=(2, 3)), (variance + 1e-6).sqrt()], dim=1)


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm with groups of about 16 channels."""
    return nn.GroupNorm(max(1, channels // _GROUP_SIZE), channels)


def zero_init(module: _Layer) -> _Layer:
    """Zero a layer's parameters, so that a residual branch starts as nothing."""
    nn.init.zeros_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module
