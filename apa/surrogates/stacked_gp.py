"""The Gaussian processes of many users in one batch, each padded to the most items among them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from apa.priors.base import Denoised
from apa.surrogates.gp import GpSurrogate, rbf
from apa.surrogates.stacked_networks import STACKS_KEPT


class _Stack(NamedTuple):
    """items: (R, M, D). alpha: (R, M), 0 where there is no item. bandwidth: (R, 1, 1). intercept: (R, 1)."""

    items: Tensor
    alpha: Tensor
    bandwidth: Tensor
    intercept: Tensor


def gp_values(
    surrogates: tuple[GpSurrogate, ...], t: Tensor, denoised: Denoised, sizes: Sequence[int]
) -> Tensor:
    """(N,), each surrogate's value on its own rows; the same as one by one to float tolerance.

    Args:
        surrogates: of the same coordinates.
        t, denoised: (N,) and the denoiser's answer; rows of the first come first.
        sizes: how many rows are each surrogate's.
    """
    z = surrogates[0].coordinates.along(t, denoised)
    if len(surrogates) == 1:
        return surrogates[0].at(z)
    stack = _stacked(surrogates, z.device, z.dtype)
    padded = pad_sequence(list(torch.split(z, list(sizes))), batch_first=True)
    k = rbf(padded, stack.items, stack.bandwidth)
    values = (k * stack.alpha[:, None, :]).sum(dim=2) + stack.intercept
    return torch.cat([own[:size] for own, size in zip(values.unbind(), sizes, strict=True)])


@lru_cache(maxsize=STACKS_KEPT)
def _stacked(surrogates: tuple[GpSurrogate, ...], device: torch.device, dtype: torch.dtype) -> _Stack:
    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, device=device, dtype=dtype)

    return _Stack(
        pad_sequence([one.items for one in surrogates], batch_first=True).to(device, dtype),
        pad_sequence([one.alpha for one in surrogates], batch_first=True).to(device, dtype),
        column([one.bandwidth for one in surrogates])[:, None, None],
        column([one.intercept for one in surrogates])[:, None],
    )
