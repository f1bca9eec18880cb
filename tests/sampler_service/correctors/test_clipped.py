"""The paper's listing as printed: its clips are counted, and they undo the correction."""

from __future__ import annotations

import torch

from apa.records.sampling import SamplingConfig
from tests.sampler_service.problems import MILD, measure, three_modes


def test_clips_are_counted_and_the_weights_stay_between_them() -> None:
    figures = measure(three_modes(), MILD, SamplingConfig(corrector="clipped"), num_seeds=4)

    for population in figures.populations:
        # The very first step already lifts every w from 0 to 0.1.
        assert population.clip_events >= 1000
        assert float(population.log_weights.min()) >= 0.1
        assert float(population.log_weights.max()) <= 10.0
        assert population.num_resamplings == 0
        assert torch.equal(population.ancestors, torch.arange(1000))
        assert population.log_z is None
        assert population.kl_to_prior is None


def test_clipping_removes_the_correction_almost_entirely() -> None:
    clipped = measure(three_modes(), MILD, SamplingConfig(corrector="clipped"), num_seeds=4)
    exact = measure(three_modes(), MILD, SamplingConfig(corrector="fkc"), num_seeds=4)

    assert clipped.pooled_variation > 0.15
    assert exact.pooled_variation < 0.03
    assert all(p.clip_events == 0 for p in exact.populations)


def test_guidance_without_weights_misses_the_target_too() -> None:
    figures = measure(three_modes(), MILD, SamplingConfig(corrector="guidance"), num_seeds=4)

    assert figures.pooled_variation > 0.05
    assert all(p.log_z is None and not p.log_weights.any() for p in figures.populations)
