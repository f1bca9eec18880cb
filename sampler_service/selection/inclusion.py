"""Inclusion probabilities of sampling without replacement, exactly: by one-dimensional quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 1e-9
"""Of each probability, absolute."""

_NEGLIGIBLE = 0.01 * TOLERANCE
_NODES_PER_PANEL = 8
_MAX_PANELS = 2**16
_MAX_ELEMENTS = 2**22
"""Numbers held at once."""
_LARGEST_EXPONENT = 700.0


def inclusion_probabilities(logits: Tensor, k: int) -> Tensor:
    """(M,), float64: with which each is among the k largest of logits + independent Gumbel noise.

    That is sampling without replacement in proportion to w = exp(logits) (Kool et al. 2019, 1903.06059): of
    arrivals at independent times T_i ~ Exp(w_i), i is shown when fewer than k of the others come before.

        P(i) = integral over t of w_i exp(-w_i t) P(fewer than k of the others have arrived by t)

    Their number is Poisson-binomial; its law is computed exactly at each node. The integral is taken in
    log t, with twice as many nodes until nothing moves by more than `TOLERANCE`.

    Args:
        logits: (M,), finite.
    """
    m = len(logits)
    if k >= m:
        return torch.ones(m, dtype=torch.float64)
    if k <= 0:
        return torch.zeros(m, dtype=torch.float64)
    logits = logits.double() - logits.double().max()
    begin, end = _span(logits, k)
    panels = math.ceil(end - begin)
    found = _integrated(logits, k, begin, end, panels)
    while panels < _MAX_PANELS:
        panels *= 2
        before, found = found, _integrated(logits, k, begin, end, panels)
        if float((found - before).abs().max()) <= TOLERANCE:
            break
    return found.clamp(min=0.0, max=1.0)


def _span(logits: Tensor, k: int) -> tuple[float, float]:
    """log t before which fewer than k have surely arrived, and after which more than k have."""
    first = math.log(_NEGLIGIBLE) - float(logits.logsumexp(0))
    last = math.log(-math.log(_NEGLIGIBLE / len(logits))) - float(logits.min())

    def too_few(log_t: Tensor) -> Tensor:
        return 1.0 - _count_of(_arrived(logits, log_t), k).sum(dim=1) <= _NEGLIGIBLE

    def not_too_many(log_t: Tensor) -> Tensor:
        return _count_of(_arrived(logits, log_t), k + 1).sum(dim=1) > _NEGLIGIBLE

    return _change(first, last, too_few)[0], _change(first, last, not_too_many)[1]


def _change(low: float, high: float, holds: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Where something that holds at `low` ceases to, to within one."""
    while high - low > 1.0:
        times = torch.linspace(low, high, 64, dtype=torch.float64)
        holding = int(holds(times).sum())
        low, high = float(times[max(holding - 1, 0)]), float(times[min(holding, 63)])
    return low, high


def _integrated(logits: Tensor, k: int, begin: float, end: float, panels: int) -> Tensor:
    """(M,), by Gauss-Legendre in `panels` equal parts of [begin, end] of log t; before it, the whole tail."""
    log_t, sizes = _nodes(begin, end, panels)
    total = _arrived(logits, torch.tensor([begin], dtype=torch.float64))[0]
    rows = max(1, _MAX_ELEMENTS // (len(logits) * k))
    for nodes, size in zip(torch.split(log_t, rows), torch.split(sizes, rows), strict=True):
        hazard = _hazard(logits, nodes)
        density = hazard * torch.exp(-hazard)
        total = total + (size[:, None] * density * _fewer_of_the_others(_arrived(logits, nodes), k)).sum(0)
    return total


def _hazard(logits: Tensor, log_t: Tensor) -> Tensor:
    """(Q, M), w t."""
    return (logits + log_t[:, None]).clamp(max=_LARGEST_EXPONENT).exp()


def _arrived(logits: Tensor, log_t: Tensor) -> Tensor:
    """(Q, M), the probability that each has by then."""
    return -torch.expm1(-_hazard(logits, log_t))


def _nodes(begin: float, end: float, panels: int) -> tuple[Tensor, Tensor]:
    """(Q,) nodes and weights."""
    place, size = np.polynomial.legendre.leggauss(_NODES_PER_PANEL)
    width = (end - begin) / panels
    middles = begin + width * (torch.arange(panels, dtype=torch.float64) + 0.5)
    nodes = middles[:, None] + 0.5 * width * torch.from_numpy(place)
    return nodes.flatten(), (0.5 * width * torch.from_numpy(size)).repeat(panels)


def _fewer_of_the_others(arrived: Tensor, k: int) -> Tensor:
    """(Q, M): at each node, for each i, the probability that fewer than k of the others have arrived.

    Args:
        arrived: (Q, M), the probability that each has.
    """
    q, m = arrived.shape
    # Of those after i: the probability that at most 0, ..., k - 1 have arrived.
    after = torch.empty(m, q, k, dtype=torch.float64)
    count = _none_arrived(q, k)
    for i in range(m - 1, -1, -1):
        after[i] = count.cumsum(dim=1)
        count = _with_one_more(count, arrived[:, i])
    fewer = torch.empty(q, m, dtype=torch.float64)
    count = _none_arrived(q, k)
    for i in range(m):
        fewer[:, i] = (count * after[i].flip(1)).sum(dim=1)
        count = _with_one_more(count, arrived[:, i])
    return fewer


def _count_of(arrived: Tensor, size: int) -> Tensor:
    """(Q, size): the probability that 0, ..., size - 1 have arrived."""
    count = _none_arrived(len(arrived), size)
    for one in arrived.unbind(dim=1):
        count = _with_one_more(count, one)
    return count


def _none_arrived(q: int, size: int) -> Tensor:
    count = torch.zeros(q, size, dtype=torch.float64)
    count[:, 0] = 1.0
    return count


def _with_one_more(count: Tensor, arrived: Tensor) -> Tensor:
    """The law of a count (Q, size) and one more that has arrived with probability (Q,)."""
    more = count * (1.0 - arrived)[:, None]
    more[:, 1:] += count[:, :-1] * arrived[:, None]
    return more
