"""The potentials of a batch: linear heads of many users in one product, every other one by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from apa.errors import ApaError, InvalidArgument
from apa.priors.base import Denoised
from apa.surrogates.linear import LinearSurrogate
from apa.surrogates.stacked import stack
from sampler_service.potential import Potential, SurrogatePotential


def rewards_of(
    potentials: Sequence[Potential | None],
    xs: Sequence[Tensor],
    ts: Sequence[Tensor],
    denoised: Sequence[Denoised],
) -> list[Tensor | None]:
    """Each run's r, (N,), attached to its own x_t and t; None where nothing steers.

    Raises:
        InvalidArgument: one of them raises, or is not a differentiable (N,).
    """
    values: dict[int, Tensor] = {}
    for members in _stackable(potentials):
        values.update(_stacked([(i, _head(potentials[i])) for i in members], ts, denoised))
    rewards: list[Tensor | None] = []
    for i, potential in enumerate(potentials):
        value = values.get(i)
        if value is None and potential is not None:
            value = _value(potential, xs[i], ts[i], denoised[i])
        rewards.append(value)
    return rewards


def not_differentiable() -> InvalidArgument:
    return InvalidArgument(
        "the reward cannot steer",
        field="reward",
        expected="a value differentiable in x",
        found="no gradient reaches x",
    )


def _stackable(potentials: Sequence[Potential | None]) -> list[list[int]]:
    """Positions of linear heads, grouped by those that share their noise levels."""
    groups: dict[tuple[str, tuple[float, ...]], list[int]] = {}
    for i, potential in enumerate(potentials):
        if isinstance(potential, SurrogatePotential) and isinstance(potential.surrogate, LinearSurrogate):
            head = potential.surrogate
            groups.setdefault((head.prior_hash, head.level_values), []).append(i)
    return list(groups.values())


def _head(potential: Potential | None) -> LinearSurrogate:
    assert isinstance(potential, SurrogatePotential)
    assert isinstance(potential.surrogate, LinearSurrogate)
    return potential.surrogate


def _stacked(
    heads: Sequence[tuple[int, LinearSurrogate]], ts: Sequence[Tensor], denoised: Sequence[Denoised]
) -> dict[int, Tensor]:
    """One gather and one product for all heads of a group."""
    features = torch.cat([denoised[i].features for i, _ in heads])
    sizes = [len(ts[i]) for i, _ in heads]
    run_index = torch.repeat_interleave(
        torch.arange(len(heads), device=features.device),
        torch.tensor(sizes, device=features.device),
        output_size=len(features),
    )
    stacked = stack([head for _, head in heads]).to(features.device, features.dtype)
    value = stacked.value(torch.cat([ts[i] for i, _ in heads]), features, run_index)
    return dict(zip([i for i, _ in heads], torch.split(value, sizes), strict=True))


def _value(potential: Potential, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
    """r, checked: a reward is user code, and may raise or return anything."""
    try:
        r: object = potential.value(x_t, t, denoised)
    except (ApaError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise InvalidArgument(
            "the reward raised", field="reward", found=f"{type(error).__name__}: {error}"[:200]
        ) from error
    n = len(x_t)
    if not isinstance(r, Tensor) or r.shape != (n,):
        found = tuple(r.shape) if isinstance(r, Tensor) else type(r).__name__
        raise InvalidArgument(
            "the reward has the wrong shape", field="reward", expected=f"({n},)", found=str(found)
        )
    if not r.requires_grad:
        raise not_differentiable()
    return r
