"""The potentials of a batch: surrogates of one architecture in one call, every other potential by itself."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from apa.errors import ApaError, InvalidArgument
from apa.priors.base import Denoised
from apa.surrogates.base import Surrogate
from apa.surrogates.stacked import architecture, values_of
from sampler_service.potential import Potential, SurrogatePotential


class Rows(NamedTuple):
    """What potentials read, for some rows of a batch.

    Attributes:
        x_t: (N, *data_shape). t: (N,). x_0_hat, features: the denoiser's answer there.
    """

    x_t: Tensor
    t: Tensor
    x_0_hat: Tensor
    features: Tensor

    @property
    def denoised(self) -> Denoised:
        return Denoised(self.x_0_hat, self.features)


class Rewards(NamedTuple):
    """The rewards of a batch.

    Attributes:
        values: of each run, (N_i,), attached to its own rows; None where nothing steers.
        read: by run, the attached tensors that a potential of its own was given: a gradient has to reach at
            least one, and through it x_t.
    """

    values: list[Tensor | None]
    read: dict[int, list[Tensor]]


def rewards_of(potentials: Sequence[Potential | None], batch: Rows, sizes: Sequence[int]) -> Rewards:
    """Each run's r on its own rows.

    Args:
        sizes: N_i, how many rows are each run's; the first run's come first.

    Raises:
        InvalidArgument: one of them raises, or is not a differentiable (N_i,).
    """
    rows = [Rows(*own) for own in zip(*(torch.split(part, list(sizes)) for part in batch), strict=True)]
    values: list[Tensor | None] = [None] * len(potentials)
    for group in _stackable(potentials):
        members = [i for i, _ in group]
        # Mostly all runs are of one architecture, and their rows need not be picked out of the batch.
        at = batch if len(members) == len(rows) else _joined([rows[i] for i in members])
        own_sizes = [sizes[i] for i in members]
        stacked = values_of([surrogate for _, surrogate in group], at.x_t, at.t, at.denoised, own_sizes)
        for i, value in zip(members, torch.split(stacked, own_sizes), strict=True):
            values[i] = value
    read = {}
    for i, potential in enumerate(potentials):
        if values[i] is None and potential is not None:
            own = rows[i]
            values[i] = _value(potential, own.x_t, own.t, own.denoised)
            read[i] = [part for part in (own.x_t, own.x_0_hat, own.features) if part.requires_grad]
    return Rewards(values, read)


def _joined(rows: Sequence[Rows]) -> Rows:
    return Rows(*(torch.cat(parts) for parts in zip(*rows, strict=True)))


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
