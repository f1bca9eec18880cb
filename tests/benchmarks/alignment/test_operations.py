"""Operations are counted of everything that runs, its derivatives too."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.alignment.operations import OperationCounter


def test_a_network_that_reads_what_is_differentiated_by_is_counted() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Flatten(), nn.Linear(8, 1, bias=False))
    x = torch.randn(5, 1, 4, 4, requires_grad=True)

    with OperationCounter() as counter:
        (gradient,) = torch.autograd.grad(network(x).sum(), x)

    forward = 2 * (5 * 2 * 4 * 9 + 5 * 8)
    assert gradient.shape == x.shape
    assert counter.get_total_flops() == 2 * forward
