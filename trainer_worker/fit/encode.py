"""The prior's features of observed items, clean and noised to every level, and a bounded cache of them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.linear import data_end_features

LEVELS = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
"""Log-SNR of the heads: t from 0.77 to 0.011 on the usual path. The last is the data end.

The first is blind: at such noise even 80 answers tell nothing (correlation below 0.1 on Fashion-MNIST), and
a head fitted there anyway pushes every particle in one random direction. Steering fades in from it to the
second.
"""
NUM_DRAWS = 4
"""Noised copies of an item at each level between the first and the last."""


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
    if not noised:
        return ItemFeatures(clean, clean.new_zeros(0, 0, *clean.shape))
    return ItemFeatures(clean, _noised(prior, x, seed))


def _noised(prior: Prior, x: Tensor, seed: int) -> Tensor:
    """(L - 2, D, M, F)."""
    noise = torch.stack([_noise_of(item, seed) for item in x], dim=2)
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

    Keyed by the prior and the item's content, so that a refit after eight new answers encodes eight items.
    """

    def __init__(self, max_items: int = 4096) -> None:
        self._max_items = max_items
        self._lock = threading.Lock()
        self._items: OrderedDict[str, ItemFeatures] = OrderedDict()

    def __call__(self, prior: Prior, x: Tensor, seed: int, noised: bool = True) -> ItemFeatures:
        keys = [f"{prior.content_hash}:{noised}:{_digest(item, seed)}" for item in x]
        # Held here as well: more items than the cache has room for must not evict each other mid-way.
        with self._lock:
            found = {key: self._items[key] for key in keys if key in self._items}
        new = {key: row for row, key in enumerate(keys) if key not in found}
        if new:
            encoded = encode_items(prior, x[list(new.values())], seed, noised)
            found |= {
                key: ItemFeatures(encoded.clean[i].clone(), encoded.noised[:, :, i].clone())
                for i, key in enumerate(new)
            }
        self._remember(found)
        rows = [found[key] for key in keys]
        clean = torch.stack([row.clean for row in rows])
        return ItemFeatures(clean, torch.stack([row.noised for row in rows], dim=2))

    def __len__(self) -> int:
        return len(self._items)

    def _remember(self, used: dict[str, ItemFeatures]) -> None:
        with self._lock:
            for key, features in used.items():
                self._items[key] = features
                self._items.move_to_end(key)
            while len(self._items) > self._max_items:
                self._items.popitem(last=False)


def _noise_of(item: Tensor, seed: int) -> Tensor:
    """(L - 2, D, *data_shape), reproducible from the item and the seed alone."""
    generator = torch.Generator().manual_seed(int(_digest(item, seed)[:15], 16))
    noise = torch.randn(len(LEVELS) - 2, NUM_DRAWS, *item.shape, generator=generator)
    return noise.to(item)


def _digest(item: Tensor, seed: int) -> str:
    content = item.detach().cpu().contiguous().numpy().tobytes()
    return hashlib.sha256(seed.to_bytes(8, "little") + content).hexdigest()
