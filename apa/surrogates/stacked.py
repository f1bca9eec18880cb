"""The surrogates of many users in one call: heads in one gather and product, networks in one batch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.priors.base import Denoised
from apa.priors.schedule import VPSchedule
from apa.surrogates.base import Surrogate
from apa.surrogates.cnn import CnnSurrogate
from apa.surrogates.gp import GpSurrogate
from apa.surrogates.interpolation import place
from apa.surrogates.linear import LinearSurrogate
from apa.surrogates.mlp import MlpSurrogate
from apa.surrogates.stacked_gp import gp_values
from apa.surrogates.stacked_networks import STACKS_KEPT, outputs_of


def architecture(surrogate: Surrogate) -> Hashable | None:
    """Surrogates for which this is the same can be evaluated by one `values_of`; None for one that cannot."""
    if isinstance(surrogate, LinearSurrogate):
        return ("linear", surrogate.prior_hash, surrogate.level_values)
    if isinstance(surrogate, CnnSurrogate | MlpSurrogate):
        return (surrogate.family, surrogate.data_shape)
    if isinstance(surrogate, GpSurrogate):
        return ("gp", surrogate.coordinates.key)
    return None


def values_of(
    surrogates: Sequence[Surrogate], x_t: Tensor, t: Tensor, denoised: Denoised, sizes: Sequence[int]
) -> Tensor:
    """`Surrogate.value` of each on its own rows, equal to one by one to float tolerance.

    Args:
        surrogates: of one `architecture`.
        x_t, t, denoised: (N, *data_shape), (N,), and the denoiser's answer; rows of the first come first.
        sizes: how many rows are each surrogate's; their sum is N.

    Returns:
        (N,), attached to x_t's and t's graphs.
    """
    heads = [surrogate for surrogate in surrogates if isinstance(surrogate, LinearSurrogate)]
    if len(heads) == len(surrogates):
        return _linear_values(tuple(heads), t, denoised.features, tuple(sizes))
    processes = [surrogate for surrogate in surrogates if isinstance(surrogate, GpSurrogate)]
    if len(processes) == len(surrogates):
        return gp_values(tuple(processes), t, denoised, sizes)
    networks = [surrogate.network for surrogate in surrogates if isinstance(surrogate, CnnSurrogate)]
    if len(networks) == len(surrogates):
        return outputs_of(networks, x_t.float(), sizes).to(x_t)
    ensembles = [surrogate.network for surrogate in surrogates if isinstance(surrogate, MlpSurrogate)]
    if len(ensembles) == len(surrogates):
        return outputs_of(ensembles, denoised.x_0_hat.float(), sizes).to(x_t)
    raise InvalidArgument(
        "surrogates stack only with those of their architecture",
        field="surrogates",
        expected="one architecture",
        found=", ".join(sorted({surrogate.family for surrogate in surrogates})),
    )


def _linear_values(
    heads: tuple[LinearSurrogate, ...], t: Tensor, features: Tensor, sizes: tuple[int, ...]
) -> Tensor:
    """One gather and one product for all heads."""
    if len(heads) == 1:
        return heads[0].head(heads[0].schedule.log_snr(t), features)
    stacked = _stacked(heads, features.device, features.dtype)
    return stacked.value(t, features, _run_index(sizes, features.device))


@lru_cache(maxsize=STACKS_KEPT)
def _stacked(heads: tuple[LinearSurrogate, ...], device: torch.device, dtype: torch.dtype) -> StackedLinear:
    return stack(heads).to(device, dtype)


@lru_cache(maxsize=STACKS_KEPT)
def _run_index(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    """(N,), for each row the position of its run: kept, so that only a new batch sends it to the device."""
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)).to(device)


@dataclass(frozen=True, eq=False)
class StackedLinear:
    """The heads of R runs.

    Attributes:
        levels: (L,). weights: (R, L, F). intercepts: (R, L).
    """

    schedule: VPSchedule
    levels: Tensor
    weights: Tensor
    intercepts: Tensor

    def value(self, t: Tensor, features: Tensor, run_index: Tensor) -> Tensor:
        """(N,), each particle's own run's reward.

        Args:
            t: (N,). features: (N, F), attached to x_t's graph.
            run_index: (N,), integers in [0, R).
        """
        at = place(self.levels, self.schedule.log_snr(t))
        w = torch.lerp(
            self.weights[run_index, at.lower], self.weights[run_index, at.upper], at.fraction[:, None]
        )
        b = torch.lerp(
            self.intercepts[run_index, at.lower], self.intercepts[run_index, at.upper], at.fraction
        )
        return (w * features).sum(dim=1) + b

    def to(self, device: torch.device | str, dtype: torch.dtype) -> StackedLinear:
        """The same heads beside the features that they will be multiplied with."""
        return StackedLinear(
            self.schedule,
            self.levels.to(device, dtype),
            self.weights.to(device, dtype),
            self.intercepts.to(device, dtype),
        )


def stack(surrogates: Sequence[LinearSurrogate]) -> StackedLinear:
    """Stack heads that were fitted on one prior at the same levels.

    Raises:
        InvalidArgument: there are none, or they are of different priors or levels.
    """
    if not surrogates:
        raise InvalidArgument("nothing to stack", field="surrogates", expected="at least one", found="none")
    first = surrogates[0]
    for other in surrogates[1:]:
        if other.prior_hash != first.prior_hash or other.level_values != first.level_values:
            raise InvalidArgument(
                "surrogates stack only when they share a prior and its levels",
                field="surrogates",
                expected=f"{first.prior_hash[:16]} at {list(first.level_values)}",
                found=f"{other.prior_hash[:16]} at {list(other.level_values)}",
            )
    return StackedLinear(
        first.schedule,
        first.levels,
        torch.stack([s.weights for s in surrogates]),
        torch.stack([s.intercepts for s in surrogates]),
    )
