"""Inclusion probabilities of sampling without replacement, exactly: by one-dimensional quadrature."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 1e-9
"""Of each probability, absolute."""

_NODES_PER_PANEL = 8
_MAX_PANELS = 4096
_LOWEST_LOGIT = -600.0
"""Below the highest; exp() of less leaves float64."""
_MAX_ELEMENTS = 2**22
"""Numbers held at once."""


def inclusion_probabilities(logits: Tensor, k: int) -> Tensor:
    """(M,), float64: with which each is among the k largest of logits + independent Gumbel noise.

    That is sampling without replacement in proportion to w = exp(logits) (Kool et al. 2019, arXiv 1903.06059).
    Seen as arrivals at independent times T_i ~ Exp(w_i), i is shown when fewer than k of the others come
    before it:

        P(i) = integral over t of w_i exp(-w_i t) P(number of others that have arrived by t < k)

    The number is Poisson-binomial; its law is computed exactly at each node. The integral is taken in log t,
    with twice as many nodes until nothing moves by more than `TOLERANCE`.

    Args:
        logits: (M,), finite.
    """
    m = len(logits)
    if k >= m:
        return torch.ones(m, dtype=torch.float64)
    if k <= 0:
        return torch.zeros(m, dtype=torch.float64)
    weights = (logits.double() - logits.max()).clamp(min=_LOWEST_LOGIT).exp()
    begin, end = _span(weights, k)
    panels = math.ceil(end - begin)
    found = _integrated(weights, k, begin, end, panels)
    while panels <= _MAX_PANELS:
        panels *= 2
        before, found = found, _integrated(weights, k, begin, end, panels)
        if float((found - before).abs().max()) <= TOLERANCE:
            break
    return found.clamp(min=0.0, max=1.0)


def _span(weights: Tensor, k: int) -> tuple[float, float]:
    """log t before which fewer than k have surely arrived, and after which more than k have."""
    negligible = 0.01 * TOLERANCE
    first = math.log(negligible / float(weights.sum()))
    last = math.log(-math.log(negligible / len(weights)) / float(weights.min()))
    times = torch.linspace(first, last, max(64, math.ceil(4 * (last - first))), dtype=torch.float64)
    arrived = -torch.expm1(-weights * times.exp()[:, None])
    counts = _count_of(arrived, k + 1)
    at_least_k = 1.0 - counts[:, :k].sum(dim=1)
    at_most_k = counts.sum(dim=1)
    begin = times[at_least_k <= negligible]
    end = times[at_most_k <= negligible]
    return float(begin[-1]) if len(begin) else first, float(end[0]) if len(end) else last


def _integrated(weights: Tensor, k: int, begin: float, end: float, panels: int) -> Tensor:
    """(M,), by Gauss-Legendre in `panels` equal parts of [begin, end] of log t; before it, all of the tail."""
    log_t, sizes = _nodes(begin, end, panels)
    total = -torch.expm1(-weights * math.exp(begin))
    rows = max(1, _MAX_ELEMENTS // (len(weights) * k))
    for t, size in zip(log_t.exp().split(rows), sizes.split(rows), strict=True):
        hazard = weights * t[:, None]
        density = hazard * torch.exp(-hazard)
        total = total + (size[:, None] * density * _fewer_of_the_others(-torch.expm1(-hazard), k)).sum(dim=0)
    return total


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
