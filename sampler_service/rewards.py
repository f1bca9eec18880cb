"""The potentials of a batch: surrogates of one architecture in one call, every other potential by itself."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from apa.errors import ApaError, InvalidArgument
from apa.priors.base import Denoised
from apa.surrogates.base import Surrogate
from apa.surrogates.stacked import architecture, values_of
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
    for group in _stackable(potentials):
        members = [i for i, _ in group]
        stacked = values_of(
            [surrogate for _, surrogate in group],
            [xs[i] for i in members],
            [ts[i] for i in members],
            [denoised[i] for i in members],
        )
        values.update(zip(members, stacked, strict=True))
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


def _stackable(potentials: Sequence[Potential | None]) -> list[list[tuple[int, Surrogate]]]:
    """Surrogates with their positions, grouped by those that can be evaluated together."""
    groups: dict[Hashable, list[tuple[int, Surrogate]]] = {}
    for i, potential in enumerate(potentials):
        if isinstance(potential, SurrogatePotential):
            key = architecture(potential.surrogate)
            if key is not None:
                groups.setdefault(key, []).append((i, potential.surrogate))
    return list(groups.values())


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
