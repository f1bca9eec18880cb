"""The learned reward of a session: its families, their artifact, and many users' as one batch."""

from apa.surrogates.artifact import load, version_of
from apa.surrogates.base import Joint, Prediction, Surrogate
from apa.surrogates.cnn import CnnSurrogate
from apa.surrogates.gp import GpSurrogate
from apa.surrogates.linear import LinearSurrogate
from apa.surrogates.mlp import MlpSurrogate
from apa.surrogates.stacked import StackedLinear, architecture, stack, values_of

__all__ = [
    "CnnSurrogate",
    "GpSurrogate",
    "Joint",
    "LinearSurrogate",
    "MlpSurrogate",
    "Prediction",
    "StackedLinear",
    "Surrogate",
    "architecture",
    "load",
    "stack",
    "values_of",
    "version_of",
]
