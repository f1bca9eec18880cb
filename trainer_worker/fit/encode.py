"""The prior's features of observed items, clean and noised to every level, and a bounded cache of them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.linear import DATA_END_LOG_SNR, data_end_features

LEVELS = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, DATA_END_LOG_SNR)
"""Log-SNR of the heads: t from 0.77 to 0.011 on the usual path. The last is the data end.

The first is blind: at such noise even 80 answers tell nothing (correlation below 0.1 on Fashion-MNIST), and
a head fitted there anyway pushes every particle in one random direction. Steering fades in from it to the
second.
"""
NUM_DRAWS = 4
"""Noised copies of an item at each level between the first and the last."""
CLEAN_ROWS, NOISED_ROWS = 256, 16
"""Items in one call of the denoiser, which bounds its memory; noised ones come in twenty copies."""


class ItemFeatures(NamedTuple):
    """Features of M items.

    Attributes:
        clean: (M, F), at the data end without noise.
        noised: (L - 2, D, M, F), D draws of noise at every level between the first and the last; empty
            where only
            the clean ones were asked for.
    """

    clean: Tensor
    noised: Tensor


Encode = Callable[[Prior, Tensor, int, bool], ItemFeatures]
"""(prior, x: (M, *data_shape), seed, noised) -> features."""


@torch.no_grad()
def encode_items(prior: Prior, x: Tensor, seed: int, noised: bool = True) -> ItemFeatures:
    """Encode every item; an item's noise depends on the seed and itself, not on what it is encoded with.

    Args:
        x: (M, *data_shape).
        noised: whether the noised copies are wanted too.
    """
    clean = data_end_features(prior, x, LEVELS[-1])
    return ItemFeatures(clean, _noised(prior, x, [seed] * len(x)) if noised else _none_noised(clean))


def _none_noised(clean: Tensor) -> Tensor:
    return clean.new_zeros(0, 0, *clean.shape)


def _noised(prior: Prior, x: Tensor, seeds: Sequence[int]) -> Tensor:
    """(L - 2, D, M, F)."""
    noise = torch.stack([_noise_of(item, seed) for item, seed in zip(x, seeds, strict=True)], dim=2)
    levels = torch.tensor(LEVELS[1:-1], dtype=torch.float64)
    t = prior.schedule.time_of_log_snr(levels).to(x)
    shape = (-1,) + (1,) * (noise.dim() - 1)
    a, s = prior.schedule.scale(t).reshape(shape), prior.schedule.std(t).reshape(shape)
    x_t = a * x + s * noise
    t_of_row = t[:, None, None].expand(noise.shape[:3]).flatten()
    flat = prior.features(x_t.flatten(0, 2), t_of_row)
    return flat.reshape(*noise.shape[:3], -1)


class FeatureCache:
    """`encode_items` with a memory of the most recently used items, shared by a process's threads.

    Keyed by the prior and the item's content, so that a refit after eight new answers encodes eight items,
    and an item that several users were shown is encoded once.

    Args:
        max_bytes: of features that are kept.
    """

    def __init__(self, max_bytes: int = 256 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Tensor] = OrderedDict()
        self.num_bytes = 0

    def __call__(self, prior: Prior, x: Tensor, seed: int, noised: bool = True) -> ItemFeatures:
        return self.of_users(prior, x, [seed] * len(x), noised)

    def of_users(self, prior: Prior, x: Tensor, seeds: Sequence[int], noised: bool = True) -> ItemFeatures:
        """Features of items of several users, what is new of all of them in shared calls of the denoiser.

        Args:
            x: (M, *data_shape). seeds: M, each item's user's.
        """
        names = [f"{prior.content_hash}:{_digest(item)}" for item in x]
        clean = torch.stack(
            self._rows(names, CLEAN_ROWS, lambda rows: data_end_features(prior, x[rows], LEVELS[-1]))
        )
        if not noised:
            return ItemFeatures(clean, _none_noised(clean))
        copies = self._rows(
            [f"{name}:{seed}" for name, seed in zip(names, seeds, strict=True)],
            NOISED_ROWS,
            lambda rows: _noised(prior, x[rows], [seeds[row] for row in rows]).movedim(2, 0),
        )
        return ItemFeatures(clean, torch.stack(copies, dim=2))

    @torch.no_grad()
    def _rows(
        self, names: Sequence[str], at_once: int, encode: Callable[[list[int]], Tensor]
    ) -> list[Tensor]:
        """What is kept under each name, after encoding what is not; encode: rows (R) -> (R, ...)."""
        # Held here as well: more items than there is room for must not evict each other mid-way.
        with self._lock:
            found = {name: self._kept[name] for name in names if name in self._kept}
        new = list({name: row for row, name in enumerate(names) if name not in found}.items())
        for start in range(0, len(new), at_once):
            part = new[start : start + at_once]
            encoded = encode([row for _, row in part])
            found |= {name: features.clone() for (name, _), features in zip(part, encoded, strict=True)}
        self._remember(found)
        return [found[name] for name in names]

    def _remember(self, used: dict[str, Tensor]) -> None:
        with self._lock:
            for name, features in used.items():
                self.num_bytes += 0 if name in self._kept else features.nbytes
                self._kept[name] = features
                self._kept.move_to_end(name)
            while self.num_bytes > self._max_bytes:
                self.num_bytes -= self._kept.popitem(last=False)[1].nbytes


def _noise_of(item: Tensor, seed: int) -> Tensor:
    """(L - 2, D, *data_shape), reproducible from the item and the seed alone."""
    generator = torch.Generator().manual_seed(int(_digest(item, seed.to_bytes(8, "little"))[:15], 16))
    noise = torch.randn(len(LEVELS) - 2, NUM_DRAWS, *item.shape, generator=generator)
    return noise.to(item)


def _digest(item: Tensor, salt: bytes = b"") -> str:
    content = item.detach().cpu().contiguous().numpy().tobytes()
    return hashlib.sha256(salt + content).hexdigest()
