"""The linear heads of many users as one batch: one gather and one product instead of a loop over users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.priors.schedule import VPSchedule
from apa.surrogates.interpolation import place
from apa.surrogates.linear import LinearSurrogate


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
