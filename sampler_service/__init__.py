"""The sampler: runs of weighted particles, steered by a reward; in-process, `sample` is all it takes."""

from apa.records.sampling import SamplingConfig
from sampler_service.population import Population
from sampler_service.sampling import sample

__all__ = ["Population", "SamplingConfig", "sample"]
