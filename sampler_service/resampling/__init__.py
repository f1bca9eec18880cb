"""Resampling schemes: (weights (N,), normalised; generator) -> ancestors (N,).

Each is unbiased: particle i has N W_i descendants in expectation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from apa.records.sampling import ResamplingName
from sampler_service.resampling.multinomial import multinomial
from sampler_service.resampling.ssp import ssp
from sampler_service.resampling.stratified import stratified
from sampler_service.resampling.systematic import systematic

__all__ = ["SCHEMES", "ResamplingScheme", "multinomial", "ssp", "stratified", "systematic"]

ResamplingScheme = Callable[[Tensor, torch.Generator], Tensor]

SCHEMES: dict[ResamplingName, ResamplingScheme] = {
    "systematic": systematic,
    "stratified": stratified,
    "multinomial": multinomial,
    "ssp": ssp,
}
